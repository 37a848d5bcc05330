/** The server as a library. The client SDK is `rollcall/client`. */
export type { Clock, Dialer, Logger, Random, Timers } from "./env/env.ts";
export { ERRORS, type ErrorCode, EXIT, type Refusal } from "./errors.ts";
export { NODE_OPTIONS, type NodeConfig, type NodeFlags, parseNodeConfig } from "./server/config.ts";
export { type NodeHandle, startNode } from "./server/node.ts";
export type { NodeEnd, NodeEnvironment } from "./server/node-environment.ts";
export { exitCodeOf, NodeError } from "./server/node-error.ts";
export { runNode } from "./server/run.ts";
export type { MemberStatus, NodeStatus, SessionStatus } from "./server/status.ts";
export { packageVersion } from "./server/version.ts";
