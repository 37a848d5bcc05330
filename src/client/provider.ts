import type { Logger } from "../env/env.ts";
import { handled } from "../util/deferred.ts";
import type { Endpoint, KeyBody } from "../wire/messages.ts";
import { attempt, Call, type CallOptions } from "./call.ts";
import { DeclaredRegistration } from "./declared-registration.ts";
import { closedError, deadlineError, RollcallError, sessionLostError } from "./errors.ts";
import { keyOf, keyText } from "./instance-content.ts";
import { checkCall, checkKeyInput, checkRegister, type RegisterInput } from "./options.ts";
import type { Registration, RegistrationHandlers, RegistrationWorld } from "./registration.ts";
import type { Owned } from "./session.ts";
import type { Status } from "./status.ts";
import type { OnOutcome, Waiter, Write, WriteBody, WriteOutcome } from "./writes.ts";

/** `addr`, or `host` and `port`. */
export type KeyInput = Omit<KeyBody, "addr"> &
  ({ readonly addr: string } | { readonly host: string; readonly port: number });

/** The part of a client that offers instances. */
export interface Provider {
  /**
   * Declares an instance: it exists while this client lives, and is put back after any loss.
   * Resolves when it is on the disks of a majority. With `persistent: true` it is written once,
   * and stays until it is deregistered.
   */
  register(instance: RegisterInput, options?: CallOptions): Promise<Registration>;
  /** Removes an instance, whoever registered it, unless a newer session owns it. */
  deregister(key: KeyInput, options?: CallOptions): Promise<void>;
}

export interface ProviderWorld extends RegistrationWorld {
  readonly logger: Logger;
}

export interface ProviderHandlers {
  sessionId(): string | null;
  submit(body: WriteBody, onOutcome: (outcome: WriteOutcome) => void, waiter: Waiter | null): Write;
  /** What the registry holds of an application now, linearizable; null when nobody can tell. */
  list(namespace: string, application: string): Promise<readonly Endpoint[] | null>;
  onStatus(status: Status): void;
}

/**
 * What this client declares, and the comparison of it with what the registry says the session
 * owns. The count can only be raised by this client's own writes, and the revision of the last
 * change is one of its own while nobody else has touched what it owns; so the two numbers tell,
 * without a list, that all is well.
 */
export class DeclaredProvider implements Provider {
  readonly #world: ProviderWorld;
  readonly #handlers: ProviderHandlers;
  readonly #namespace: string;
  readonly #registrations = new Map<string, DeclaredRegistration>();
  /** Applications in which this session may own something, be it unknown to its maker. */
  readonly #touched = new Map<
    string,
    { readonly namespace: string; readonly application: string }
  >();
  readonly #calls = new Set<Call<void>>();
  /** The highest revision at which an own write was acknowledged. */
  #acknowledgedRevision = 0;
  /** Counts up; a check that was begun before means nothing any more. */
  #check = 0;
  #isChecking = false;
  #isClosed = false;

  constructor(world: ProviderWorld, namespace: string, handlers: ProviderHandlers) {
    this.#world = world;
    this.#namespace = namespace;
    this.#handlers = handlers;
  }

  register(instance: RegisterInput, options: CallOptions = {}): Promise<Registration> {
    return attempt(() => {
      this.#assertOpen();
      const content = checkRegister(instance, this.#namespace);
      checkCall(options);
      const text = keyText(content);
      const known = this.#registrations.get(text);
      if (known !== undefined && known.state.tag !== "superseded") {
        throw new RollcallError(
          "CONFLICT",
          `this client has registered ${content.application} at ${content.addr} already`,
        );
      }
      const registration = new DeclaredRegistration(
        this.#world,
        content,
        options,
        this.#registrationHandlers(text),
      );
      this.#registrations.set(text, registration);
      return registration.start();
    });
  }

  deregister(key: KeyInput, options: CallOptions = {}): Promise<void> {
    return attempt(() => {
      this.#assertOpen();
      const body = checkKeyInput(key, this.#namespace);
      checkCall(options);
      const own = this.#registrations.get(keyText(body));
      return own === undefined ? this.#deregisterOnce(body, options) : own.deregister(options);
    });
  }

  /** Resumed with these numbers. Not exact: writes were unanswered when they were taken. */
  onResumed(owned: Owned, isExact: boolean): void {
    if (!isExact || this.#differs(owned)) {
      this.#verify(owned.ownedRevision);
    }
  }

  /** A confirmed keepalive told these numbers, with no write unanswered. */
  onOwned(owned: Owned): void {
    if (!this.#isChecking && this.#differs(owned)) {
      this.#verify(owned.ownedRevision);
    }
  }

  onSessionLost(): void {
    this.#check += 1;
    this.#isChecking = false;
    this.#acknowledgedRevision = 0;
    this.#touched.clear();
    for (const registration of [...this.#registrations.values()]) {
      registration.sessionLost();
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#check += 1;
    for (const registration of [...this.#registrations.values()]) {
      registration.close();
    }
    this.#registrations.clear();
    for (const call of [...this.#calls]) {
      call.reject(closedError(true));
    }
  }

  #assertOpen(): void {
    if (this.#isClosed) {
      throw closedError();
    }
  }

  #registrationHandlers(text: string): RegistrationHandlers {
    return {
      submit: (body, onOutcome, waiter) => this.#submit(body, onOutcome, waiter),
      onAcknowledged: (revision) => this.#acknowledged(revision),
      onSuperseded: ({ key }) => {
        this.#world.logger.warn({ ...key }, "superseded: a newer session owns this instance");
        this.#handlers.onStatus({ type: "superseded", key });
      },
      onRestoreRefused: ({ key }, error) =>
        this.#world.logger.warn({ ...key, error: error.message }, "an instance is not taken back"),
      onGone: (registration) => {
        if (this.#registrations.get(text) === registration) {
          this.#registrations.delete(text);
        }
      },
      onStray: ({ key }) => {
        this.#submit({ type: "deregister", ...key }, (outcome) => {
          if (outcome.type === "ok") {
            this.#acknowledged(outcome.revision);
          }
        });
      },
    };
  }

  #submit(body: WriteBody, onOutcome: OnOutcome, waiter: Waiter | null = null): Write {
    if (body.type === "register" && "application" in body && body.persistent !== true) {
      const { namespace, application } = keyOf(body);
      this.#touched.set(`${namespace}\n${application}`, { namespace, application });
    }
    return this.#handlers.submit(body, onOutcome, waiter);
  }

  #acknowledged(revision: number): void {
    this.#acknowledgedRevision = Math.max(this.#acknowledgedRevision, revision);
  }

  /** Of an instance that this client does not declare. Nobody looks after it once the call is over. */
  #deregisterOnce(key: Required<KeyBody>, options: CallOptions): Promise<void> {
    let write: Write | null = null;
    const call = new Call<void>(this.#world, options, () => {
      this.#calls.delete(call);
      const last = write?.lastRefusal ?? null;
      return deadlineError(write?.abandon() ?? true, last);
    });
    const send = (): void => {
      const onOutcome = (outcome: WriteOutcome): void => {
        if (outcome.type === "sessionLost" && !outcome.mayHaveHappened) {
          send();
          return;
        }
        this.#calls.delete(call);
        if (outcome.type === "ok") {
          this.#acknowledged(outcome.revision);
          call.resolve();
        } else {
          call.reject(outcome.type === "refused" ? outcome.error : sessionLostError(true));
        }
      };
      write = this.#submit({ type: "deregister", ...key }, onOutcome, call);
    };
    if (!call.isSettled) {
      this.#calls.add(call);
      send();
    }
    return call.promise;
  }

  #differs({ owned, ownedRevision }: Owned): boolean {
    let expected = 0;
    for (const registration of this.#registrations.values()) {
      expected += registration.isOwned ? 1 : 0;
    }
    return owned !== expected || ownedRevision > this.#acknowledgedRevision;
  }

  /** Lists what the session owns, and repairs the difference. */
  #verify(ownedRevision: number): void {
    this.#check += 1;
    this.#isChecking = true;
    void handled(this.#compare(this.#check, ownedRevision));
  }

  async #compare(check: number, ownedRevision: number): Promise<void> {
    for (const [text, { namespace, application }] of [...this.#touched]) {
      const session = this.#handlers.sessionId();
      const found = await this.#handlers.list(namespace, application);
      if (check !== this.#check) {
        return;
      }
      if (found === null) {
        // The next confirmed keepalive tells the same numbers, and asks again.
        this.#isChecking = false;
        return;
      }
      const owned = found.filter((endpoint) => endpoint.session === session);
      this.#repair(text, owned);
    }
    // What the others did up to here has been looked at, and is no difference any more.
    this.#acknowledged(ownedRevision);
    this.#isChecking = false;
  }

  #repair(application: string, owned: readonly Endpoint[]): void {
    const byKey = new Map(owned.map((endpoint) => [keyText(endpoint), endpoint]));
    for (const [text, registration] of this.#registrations) {
      if (text.startsWith(`${application}\n`)) {
        registration.verify(byKey.get(text) ?? null);
      }
    }
    for (const [text, endpoint] of byKey) {
      if (!this.#registrations.has(text)) {
        const { namespace, application: name, protocol, addr } = endpoint;
        this.#world.logger.warn({ application: name, addr }, "removing what nobody declares");
        const key = { namespace, application: name, protocol, addr };
        this.#submit({ type: "deregister", ...key }, (outcome) => {
          if (outcome.type === "ok") {
            this.#acknowledged(outcome.revision);
          }
        });
      }
    }
  }
}
