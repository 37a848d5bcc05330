import type { Random } from "../env/env.ts";
import { unreachable } from "../util/assert.ts";
import type { Call, CallOptions, CallWorld } from "./call.ts";
import { closedError, RollcallError } from "./errors.ts";
import type { InstanceKey, UpdateSet } from "./instance-content.ts";
import type { Waiter, Write, WriteBody, WriteOutcome } from "./writes.ts";

export type RegistrationState =
  /** Not acknowledged yet. */
  | { readonly tag: "registering" }
  /** `revision`: of the last acknowledged write. */
  | { readonly tag: "registered"; readonly revision: number }
  /** It was there and is gone, or is not as it should be; it is being put back. */
  | { readonly tag: "restoring"; readonly reason: string }
  /** A newer session owns the identity; it is not put back. */
  | { readonly tag: "superseded" }
  | { readonly tag: "deregistering" }
  | { readonly tag: "deregistered" }
  /** The client is closed. */
  | { readonly tag: "closed" };

export interface UpdateOptions extends CallOptions {
  /** Refused with CONFLICT unless the instance's `modifiedRevision` is this. */
  readonly ifRevision?: number;
}

/** What should exist while this process lives. */
export interface Registration {
  readonly key: InstanceKey;
  readonly state: RegistrationState;
  /** Changes the named fields; null clears `version`, `location` or `reason`. */
  update(set: UpdateSet, options?: UpdateOptions): Promise<void>;
  /** Resolves when it is gone. It goes as soon as it can, even where this call gives up waiting. */
  deregister(options?: CallOptions): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** An update, and the caller who waits for it. */
export interface Intent {
  readonly set: UpdateSet;
  readonly ifRevision: number | null;
  readonly call: Call<void>;
  /** Its write, while it is out. */
  write: Write | null;
}

export interface RegistrationWorld extends CallWorld {
  readonly random: Random;
}

export interface RegistrationHandlers {
  /** `waiter`: null where no caller waits for it. */
  submit(body: WriteBody, onOutcome: (outcome: WriteOutcome) => void, waiter: Waiter | null): Write;
  /** An own write was acknowledged at this revision. */
  onAcknowledged(revision: number): void;
  onSuperseded(registration: Registration): void;
  /** It could not be put back for now. */
  onRestoreRefused(registration: Registration, error: RollcallError): void;
  /** Nothing of it is left to look after. */
  onGone(registration: Registration): void;
  /** The caller gave up on a register that may happen: whatever comes of it must go. */
  onStray(registration: Registration): void;
}

/** Why a registration cannot be updated any more; null while it can. */
export function updateFault({ tag }: RegistrationState): RollcallError | null {
  switch (tag) {
    case "superseded":
      return new RollcallError("TAKEN_OVER", "a newer session owns this identity");
    case "deregistering":
    case "deregistered":
      return new RollcallError("NOT_FOUND", "it was deregistered");
    case "closed":
      return closedError();
    case "registering":
    case "registered":
    case "restoring":
      return null;
    default:
      return unreachable(tag);
  }
}
