import {
  connect,
  type Registration,
  type RollcallClient,
  RollcallError,
} from "../../src/client/index.ts";
import { contentOf, type Endpoint, keyOf, metaOf } from "../bare/messages.ts";
import type { WriteCall } from "../history.ts";
import { UPDATED_PROTOCOL } from "../workload.ts";
import { type LibraryOptions, silentLogger } from "./library.ts";

const ADDRESSES = 4;
const TIMEOUT_MS = 2_500;
const CLOSE_MS_MAX = 1_000;
/** Longer than anything is disturbed: what goes with such a session goes with its goodbye. */
const LONG_MS = 60_000;
/** Per mille: of what is registered, that it is removed; of an update, that it compares, and wrongly. */
const REMOVAL_CHANCE = 250;
const COMPARE_CHANCE = 600;
const STALE_CHANCE = 300;
/** Of a client whose instances are its own: that it is closed, and another one takes its place. */
const CLOSE_CHANCE = 20;

type Writing = Omit<WriteCall, "kind" | "session" | "seq">;

/**
 * A provider that runs through the client library: it is asked for one thing at a time, and what it
 * resolves or rejects with is written down. What it repeats meanwhile is its own affair.
 *
 * The library puts back what its session has lost, with the content that it had, and a history has each
 * content in one piece. So what it registers is persistent (`isLasting`), or nobody else touches it, and
 * it goes with a session that nothing but its client ends; and where the end of a call is not known, that
 * client is closed. In the
 * history a session names a row of calls: which sessions the library has is its own affair, too.
 */
export class LibraryProvider {
  readonly name: string;
  readonly #options: LibraryOptions;
  readonly #isLasting: boolean;
  #client: RollcallClient | null = null;
  readonly #registered = new Map<string, Registration>();
  #rows = 0;
  #session = "";
  /** Of its session in the history, until it is known that there is one. */
  #opening: number | null = null;
  #seq = 0;
  #values = 0;
  #acknowledged = 0;
  #isQuiet = false;
  #isOver = false;
  #isBusy = false;

  constructor(options: LibraryOptions, isLasting: boolean) {
    this.name = options.name;
    this.#options = options;
    this.#isLasting = isLasting;
  }

  get acknowledged(): number {
    return this.#acknowledged;
  }

  get isSettled(): boolean {
    return !this.#isBusy;
  }

  async start(): Promise<void> {
    this.#client = await this.#connected();
    this.#newRow();
    void this.#run();
  }

  async #connected(): Promise<RollcallClient> {
    const { urls: servers } = this.#options;
    return await connect({ servers, name: this.name, ...this.#times, logger: silentLogger });
  }

  get #times(): { readonly ttlMs: number; readonly graceMs: number } {
    const { ttlMs, graceMs } = this.#options;
    return this.#isLasting ? { ttlMs, graceMs } : { ttlMs: LONG_MS, graceMs: LONG_MS };
  }

  /** It asks for nothing more. */
  quiesce(): void {
    this.#isQuiet = true;
  }

  async kill(): Promise<void> {
    this.#isOver = true;
    await this.#client?.close({ timeoutMs: CLOSE_MS_MAX });
  }

  async #run(): Promise<void> {
    const { prng, operationMs } = this.#options;
    while (!this.#isOver) {
      await new Promise((resolve) => setTimeout(resolve, prng.between(1, 4 * operationMs)));
      if (this.#isQuiet || this.#isOver) continue;
      this.#isBusy = true;
      if (this.#client !== null) await this.#operate(this.#client);
      if (!this.#isLasting && prng.chance(CLOSE_CHANCE)) await this.#leave();
      this.#isBusy = false;
    }
  }

  /** Says goodbye through the library, which does not tell whether it was heard. */
  async #leave(): Promise<void> {
    const { recorder } = this.#options;
    const bye = { puts: [], removes: [], isBye: true } as const;
    const call = { kind: "write", session: this.#session, seq: this.#seq + 1, ...bye } as const;
    recorder.invoke(this.name, call);
    this.#registered.clear();
    await this.#client?.close({ timeoutMs: CLOSE_MS_MAX });
    if (this.#isOver) return;
    this.#client = await this.#connected();
    this.#newRow();
  }

  async #operate(client: RollcallClient): Promise<void> {
    const { prng, applications } = this.#options;
    const instance = this.#instance(prng.pick(applications), 1 + prng.below(ADDRESSES));
    const key = keyOf(instance);
    // A removal whose caller has given up goes on.
    if (this.#registered.get(key)?.state.tag === "deregistered") this.#registered.delete(key);
    const known = this.#registered.get(key);
    if (known === undefined) {
      await this.#register(client, key, instance);
    } else if (prng.chance(REMOVAL_CHANCE)) {
      await this.#ask({ puts: [], removes: [key] }, async () => {
        await known.deregister({ timeoutMs: TIMEOUT_MS });
        this.#registered.delete(key);
        return null;
      });
    } else {
      await this.#update(known, instance);
    }
  }

  async #register(client: RollcallClient, key: string, instance: Endpoint): Promise<void> {
    await this.#ask(putting(instance), async () => {
      const input = { ...instance, status: "up", persistent: this.#isLasting } as const;
      const registration = await client.provider.register(input, { timeoutMs: TIMEOUT_MS });
      this.#registered.set(key, registration);
      return revisionOf(registration);
    });
  }

  async #update(registration: Registration, instance: Endpoint): Promise<void> {
    const { prng } = this.#options;
    const revision = revisionOf(registration);
    const compared = revision !== null && prng.chance(STALE_CHANCE) ? revision - 1 : revision;
    const ifRevision = prng.chance(COMPARE_CHANCE) ? compared : null;
    const { meta, weight } = instance;
    await this.#ask({ ...putting(instance), update: { ifRevision } }, async () => {
      await registration.update(
        { meta, weight, status: "up" },
        { timeoutMs: TIMEOUT_MS, ...(ifRevision !== null && { ifRevision }) },
      );
      return revisionOf(registration);
    });
  }

  async #ask(writing: Writing, run: () => Promise<number | null>): Promise<void> {
    const { recorder, onStrange } = this.#options;
    this.#seq += 1;
    const lasting = this.#isLasting ? ({ isLasting: true } as const) : {};
    const numbered = { session: this.#session, seq: this.#seq } as const;
    const op = recorder.invoke(this.name, { kind: "write", ...numbered, ...writing, ...lasting });
    try {
      const revision = await run();
      this.#acknowledged += 1;
      this.#opened();
      recorder.record({ type: "ok", op, revision });
    } catch (error) {
      if (!(error instanceof RollcallError)) {
        onStrange(`${this.name}: the library threw ${error}`);
        return;
      }
      const { code } = error;
      if (error.definite) {
        recorder.record({ type: "fail", op, code, revision: null });
        return;
      }
      recorder.record({ type: "info", op, code });
      if (this.#isLasting) this.#newRow();
      else await this.#leave();
    }
  }

  /** What was left open may happen whenever it likes. */
  #newRow(): void {
    const { recorder } = this.#options;
    this.#rows += 1;
    this.#session = `${this.name}/${this.#rows}`;
    this.#seq = 0;
    const call = { kind: "open", session: this.#session, ...this.#times } as const;
    this.#opening = recorder.invoke(this.name, call);
    if (this.#isLasting) this.#opened();
  }

  /** The library opens a session with the first write that needs one, and says nothing of it. */
  #opened(): void {
    const op = this.#opening;
    if (op !== null) this.#options.recorder.record({ type: "ok", op, revision: null });
    this.#opening = null;
  }

  #instance(application: string, place: number): Endpoint {
    this.#values += 1;
    const tag = this.#options.prng.pick(["read", "write"]);
    return {
      ...{ namespace: "default", application },
      protocol: this.#isLasting ? UPDATED_PROTOCOL : "grpc",
      addr: `${this.name}.example:${place}`,
      ...{ meta: { tag, value: `${this.name}-${this.#values}` }, weight: 100, status: "up" },
    };
  }
}

function putting(instance: Endpoint): Writing {
  const put = { key: keyOf(instance), content: contentOf(instance), meta: metaOf(instance) };
  return { puts: [put], removes: [] };
}

/** Of the last write that was acknowledged. */
function revisionOf({ state }: Registration): number | null {
  return state.tag === "registered" ? state.revision : null;
}
