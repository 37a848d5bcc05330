import type { Timer } from "../env/env.ts";
import { RESTORE_MS_MAX } from "../limits.ts";
import { unreachable } from "../util/assert.ts";
import type { Endpoint, RegisterBody } from "../wire/messages.ts";
import { attempt, Call, type CallOptions } from "./call.ts";
import { closedError, deadlineError, RollcallError, sessionLostError } from "./errors.ts";
import {
  type InstanceKey,
  isSameContent,
  keyOf,
  type UpdateSet,
  withUpdate,
} from "./instance-content.ts";
import { checkCall, checkUpdate } from "./options.ts";
import { backoffMs } from "./reconnect.ts";
import {
  type Intent,
  type Registration,
  type RegistrationHandlers,
  type RegistrationState,
  type RegistrationWorld,
  type UpdateOptions,
  updateFault,
} from "./registration.ts";
import type { OnOutcome, Waiter, Write, WriteBody, WriteOutcome } from "./writes.ts";

/**
 * One identity, and the writes that make the registry agree: one at a time, so that what is known
 * of it is never ambiguous. A declared registration has no deadline of its own; callers have.
 */
export class DeclaredRegistration implements Registration {
  readonly key: InstanceKey;
  readonly isPersistent: boolean;
  readonly #world: RegistrationWorld;
  readonly #handlers: RegistrationHandlers;
  /** What the registry holds, or is to hold next. */
  #content: RegisterBody;
  #state: RegistrationState = { tag: "registering" };
  #write: Write | null = null;
  #intents: Intent[] = [];
  readonly #first: Call<Registration>;
  #leaving: Call<void>[] = [];
  #restoreTimer: Timer | null = null;
  #restoreRefusals = 0;
  /** Of the last acknowledged write. */
  #revision = 0;

  constructor(
    world: RegistrationWorld,
    content: RegisterBody,
    options: CallOptions,
    handlers: RegistrationHandlers,
  ) {
    this.key = keyOf(content);
    this.isPersistent = content.persistent === true;
    this.#world = world;
    this.#handlers = handlers;
    this.#content = content;
    this.#first = new Call(world, options, () => this.#giveUpFirst());
  }

  get state(): RegistrationState {
    return this.#state;
  }

  /** The session owns it, as far as the SDK knows. */
  get isOwned(): boolean {
    return !this.isPersistent && this.#state.tag === "registered";
  }

  /** Resolves when the first register is acknowledged. A call that was aborted before is over. */
  start(): Promise<Registration> {
    if (this.#first.isSettled) {
      this.#gone();
    } else {
      this.#drive();
    }
    return this.#first.promise;
  }

  update(set: UpdateSet, options: UpdateOptions = {}): Promise<void> {
    return attempt(() => {
      checkCall(options, ["ifRevision"]);
      return this.#update(checkUpdate(set), options);
    });
  }

  deregister(options: CallOptions = {}): Promise<void> {
    return attempt(() => {
      checkCall(options);
      return this.#deregister(options);
    });
  }

  #deregister(options: CallOptions): Promise<void> {
    const late = (): RollcallError =>
      new RollcallError("TIMEOUT", "not gone before the deadline; it goes when it can");
    const call = new Call<void>(this.#world, options, late);
    const { tag } = this.#state;
    if (tag === "superseded" || tag === "deregistered") {
      this.#setState({ tag: "deregistered" });
      call.resolve();
    } else if (tag === "closed") {
      call.reject(closedError());
    } else {
      this.#leaving.push(call);
      this.#leave();
    }
    return call.promise;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#state.tag === "closed" ? Promise.resolve() : this.deregister();
  }

  /** The session has ended, and what it owned with it. */
  sessionLost(): void {
    if (this.isOwned) {
      this.restore("the session expired");
    }
  }

  /** What the registry holds of it under this session; null where it holds nothing. */
  verify(found: Endpoint | null): void {
    if (!this.isOwned || this.#write !== null) {
      return;
    }
    if (found === null) {
      this.restore("it was removed");
    } else if (!isSameContent(this.#content, found)) {
      this.restore("it was changed");
    }
  }

  close(): void {
    this.#restoreTimer?.cancel();
    const mayHaveHappened = this.#write?.mayHaveHappened ?? false;
    this.#write?.abandon();
    this.#write = null;
    this.#setState({ tag: "closed" });
    this.#first.reject(closedError(mayHaveHappened));
    this.#rejectIntents((intent) => closedError(intent.write?.mayHaveHappened ?? false));
    for (const call of this.#leaving.splice(0)) {
      // What the session owns goes with it; of a persistent one nobody knows.
      if (this.isPersistent) {
        call.reject(closedError(mayHaveHappened));
      } else {
        call.resolve();
      }
    }
  }

  restore(reason: string): void {
    this.#setState({ tag: "restoring", reason });
    this.#drive();
  }

  #setState(next: RegistrationState): void {
    this.#state = next;
  }

  #update(set: UpdateSet, options: UpdateOptions): Promise<void> {
    const fault = updateFault(this.#state);
    if (fault !== null) {
      throw fault;
    }
    const call = new Call<void>(this.#world, options, () => this.#giveUpIntent(intent));
    const intent: Intent = { set, ifRevision: options.ifRevision ?? null, call, write: null };
    if (!call.isSettled) {
      this.#intents.push(intent);
      this.#drive();
    }
    return call.promise;
  }

  /** The next write, if none is out and one is due. */
  #drive(): void {
    if (this.#write !== null || this.#restoreTimer !== null) {
      return;
    }
    const state = this.#state;
    switch (state.tag) {
      case "registering":
      case "restoring":
        this.#write = this.#submit(
          { type: "register", ...this.#content },
          (outcome) => this.#onRegistered(outcome),
          state.tag === "registering" ? this.#first : null,
        );
        return;
      case "registered":
        this.#driveUpdate();
        return;
      case "deregistering":
        this.#write = this.#submit({ type: "deregister", ...this.key }, (outcome) =>
          this.#onDeregistered(outcome),
        );
        return;
      case "superseded":
      case "deregistered":
      case "closed":
        return;
      default:
        unreachable(state);
    }
  }

  #submit(body: WriteBody, onOutcome: OnOutcome, waiter: Waiter | null = null): Write {
    const onWritten = (outcome: WriteOutcome): void => {
      this.#write = null;
      if (outcome.type === "ok") {
        this.#restoreRefusals = 0;
        this.#revision = outcome.revision;
        this.#handlers.onAcknowledged(outcome.revision);
      }
      onOutcome(outcome);
      this.#drive();
    };
    return this.#handlers.submit(body, onWritten, waiter);
  }

  #onRegistered(outcome: WriteOutcome): void {
    if (this.#state.tag === "deregistering") {
      if (outcome.type === "sessionLost" && !this.isPersistent) {
        this.#gone();
      }
      return;
    }
    switch (outcome.type) {
      case "ok":
        this.#setState({ tag: "registered", revision: outcome.revision });
        this.#first.resolve(this);
        return;
      case "refused":
        this.#registerRefused(outcome.error);
        return;
      case "sessionLost":
        // An instance of a session went with it, so it may simply be written again. A persistent
        // one is written once: between the lost attempt and a second another may have changed it.
        if (this.isPersistent && outcome.mayHaveHappened) {
          this.#registerRefused(sessionLostError(true));
        }
        return;
      default:
        unreachable(outcome);
    }
  }

  #registerRefused(error: RollcallError): void {
    if (this.#state.tag === "registering") {
      this.#gone();
      this.#first.reject(error);
      if (!error.definite && !this.isPersistent) {
        this.#handlers.onStray(this);
      }
      return;
    }
    if (error.code === "TAKEN_OVER") {
      this.#superseded(error);
      return;
    }
    this.#handlers.onRestoreRefused(this, error);
    this.#restoreRefusals += 1;
    const delayMs = backoffMs(this.#restoreRefusals, RESTORE_MS_MAX, (bound) =>
      this.#world.random.below(bound),
    );
    const waitMs = Math.max(delayMs, error.retryAfterMs ?? 0);
    this.#restoreTimer = this.#world.timers.after(waitMs, () => {
      this.#restoreTimer = null;
      this.#drive();
    });
  }

  #driveUpdate(): void {
    const intent = this.#intents[0];
    if (intent === undefined) {
      return;
    }
    const { set, ifRevision } = intent;
    const compare = ifRevision === null ? {} : { ifRevision };
    const body: WriteBody = { type: "update", key: this.key, set, ...compare };
    this.#write = this.#submit(body, (outcome) => this.#onUpdated(intent, outcome), intent.call);
    intent.write = this.#write;
  }

  #onUpdated(intent: Intent, outcome: WriteOutcome): void {
    intent.write = null;
    switch (outcome.type) {
      case "ok":
        this.#content = withUpdate(this.#content, intent.set);
        this.#dropIntent(intent);
        intent.call.resolve();
        if (this.#state.tag === "registered") {
          this.#setState({ tag: "registered", revision: outcome.revision });
        }
        return;
      case "refused":
        this.#updateRefused(intent, outcome.error);
        return;
      case "sessionLost":
        this.#updateLost(intent, outcome.mayHaveHappened);
        return;
      default:
        unreachable(outcome);
    }
  }

  #updateRefused(intent: Intent, error: RollcallError): void {
    if (error.code === "TAKEN_OVER") {
      this.#dropIntent(intent);
      intent.call.reject(error);
      this.#superseded(error);
      return;
    }
    if (error.code === "NOT_FOUND" && !this.isPersistent && this.#state.tag === "registered") {
      // Somebody removed it. It is declared, so it is put back, and the update follows.
      this.#setState({ tag: "restoring", reason: "it was removed" });
      if (intent.ifRevision === null) {
        return;
      }
    }
    this.#dropIntent(intent);
    intent.call.reject(error);
  }

  /**
   * The instance went with the session, whether or not the update had reached it. It is put back
   * as it was, and the update follows; but one with a comparison compared with a record that is no
   * more. A persistent instance is still there, and may have been changed by others since.
   */
  #updateLost(intent: Intent, mayHaveHappened: boolean): void {
    if (!this.isPersistent && this.#state.tag === "registered") {
      this.#setState({ tag: "restoring", reason: "the session expired" });
    }
    const isRepeatable = intent.ifRevision === null && !this.isPersistent;
    if (mayHaveHappened && !isRepeatable) {
      this.#dropIntent(intent);
      intent.call.reject(sessionLostError(true));
    }
  }

  #onDeregistered(outcome: WriteOutcome): void {
    switch (outcome.type) {
      case "ok":
        this.#gone();
        return;
      case "refused": {
        const { error } = outcome;
        const isGone = error.code === "TAKEN_OVER" || error.code === "NOT_FOUND";
        if (isGone && (error.definite || !this.isPersistent)) {
          this.#gone();
        } else {
          this.#staysRegistered(error);
        }
        return;
      }
      case "sessionLost":
        if (!this.isPersistent) {
          this.#gone();
        } else if (outcome.mayHaveHappened) {
          this.#staysRegistered(sessionLostError(true));
        }
        return;
      default:
        unreachable(outcome);
    }
  }

  #staysRegistered(error: RollcallError): void {
    this.#setState({ tag: "registered", revision: this.#revision });
    for (const call of this.#leaving.splice(0)) {
      call.reject(error);
    }
  }

  #leave(): void {
    if (this.#state.tag === "deregistering") {
      return;
    }
    this.#setState({ tag: "deregistering" });
    this.#restoreTimer?.cancel();
    this.#restoreTimer = null;
    const error = new RollcallError("NOT_FOUND", "it was deregistered");
    this.#first.reject(error);
    this.#rejectIntents((intent) =>
      intent.write?.mayHaveHappened === true
        ? new RollcallError("NOT_FOUND", "it was deregistered meanwhile", { definite: false })
        : error,
    );
    this.#drive();
  }

  #superseded(error: RollcallError): void {
    if (this.#state.tag === "deregistering") {
      return;
    }
    this.#setState({ tag: "superseded" });
    this.#rejectIntents(() => error);
    this.#handlers.onSuperseded(this);
  }

  #gone(): void {
    this.#setState({ tag: "deregistered" });
    for (const call of this.#leaving.splice(0)) {
      call.resolve();
    }
    this.#handlers.onGone(this);
  }

  /** The first register ran out of time: nobody gets a handle of it, so it must not be there. */
  #giveUpFirst(): RollcallError {
    const last = this.#write?.lastRefusal ?? null;
    const isDefinite = this.#write?.abandon() ?? true;
    this.#write = null;
    this.#gone();
    if (!isDefinite && !this.isPersistent) {
      this.#handlers.onStray(this);
    }
    return deadlineError(isDefinite, last);
  }

  #giveUpIntent(intent: Intent): RollcallError {
    const last = intent.write?.lastRefusal ?? null;
    if (intent.write?.mayHaveHappened === true) {
      return deadlineError(false, last);
    }
    this.#dropIntent(intent);
    if (intent.write !== null) {
      intent.write.abandon();
      this.#write = null;
      this.#drive();
    }
    return deadlineError(true, last);
  }

  #dropIntent(intent: Intent): void {
    this.#intents = this.#intents.filter((other) => other !== intent);
  }

  #rejectIntents(errorOf: (intent: Intent) => RollcallError): void {
    for (const intent of this.#intents.splice(0)) {
      intent.call.reject(errorOf(intent));
    }
  }
}
