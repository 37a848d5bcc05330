export type { ErrorCode } from "../errors.ts";
export type { Endpoint as Instance, Meta, ReadBody as Read } from "../wire/messages.ts";
export type { CallOptions } from "./call.ts";
export type { RollcallClient } from "./client.ts";
export type {
  Consumer,
  GetOptions,
  GetResult,
  Selector,
  WatchOptions,
  WatchStream,
} from "./consumer.ts";
export { RollcallError } from "./errors.ts";
export type { InstanceKey, UpdateSet } from "./instance-content.ts";
export { connect } from "./node.ts";
export type { ConnectOptions, RegisterInput } from "./options.ts";
export type { KeyInput, Provider } from "./provider.ts";
export type { Registration, RegistrationState, UpdateOptions } from "./registration.ts";
export type { ClientState, ConnectionView, SessionView, Status } from "./status.ts";
export type { WatchChange, WatchEvent, WatchSnapshot } from "./watch-fold.ts";
