import type { ConnectOptions } from "../../src/client/index.ts";
import type { ClientOptions } from "../bare/client.ts";

/** As for a bare client: it is disturbed in the same way, and its history is the same one. */
export type LibraryOptions = ClientOptions;

/** What it says in its log is not judged; what it resolves with is. */
export const silentLogger: NonNullable<ConnectOptions["logger"]> = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
};
