import { check } from "../../jepsen-lite/checker/check.ts";
import type { Event, Put, ReadCall, Selector, Setup, View } from "../../jepsen-lite/history.ts";

type Unstamped<E> = E extends Event ? Omit<E, "atMs"> : never;

export const X = "default/a/http/x:1";
export const Y = "default/a/http/y:1";

/** What `tagged` puts is selected by this; what `put` puts is not. */
export const READERS: Selector = {
  namespace: "default",
  application: "a",
  protocol: null,
  meta: [["tag", "read"]],
};
const ALL: Selector = { ...READERS, meta: [] };

export const TTL_MS = 1_000;
export const GRACE_MS = 100;
export const SLACK_MS = 50;

/** A history by hand: each step takes a millisecond, unless `wait` lets more pass. */
export class Story {
  readonly events: Event[];
  #nowMs = 0;
  #operations = 0;
  #streams = 0;

  constructor(setup: Partial<Setup> = {}) {
    this.events = [
      {
        type: "setup",
        atMs: 0,
        driftMax: 0,
        closeNoticeMs: 10,
        expirySlackMs: SLACK_MS,
        hasNodeEvents: false,
        ...setup,
      },
    ];
  }

  /** The promises that are broken, each once, with their checkers. */
  get broken(): string[] {
    const { findings } = check(this.events);
    return [...new Set(findings.map(({ checker, promise }) => `${checker}: ${promise}`))];
  }

  wait(forMs: number): this {
    this.#nowMs += forMs;
    return this;
  }

  record(event: Unstamped<Event>): this {
    this.#nowMs += 1;
    this.events.push({ ...event, atMs: this.#nowMs } as Event);
    return this;
  }

  invoke(process: string, call: (Event & { type: "invoke" })["call"]): number {
    this.#operations += 1;
    this.record({ type: "invoke", op: this.#operations, process, call });
    return this.#operations;
  }

  /** The session's client bears its name. */
  open(session: string): this {
    const call = { kind: "open", session, ttlMs: TTL_MS, graceMs: GRACE_MS } as const;
    const op = this.invoke(session, call);
    return this.record({ type: "ok", op, revision: 0 });
  }

  /** Sends a write that puts contents at keys, each with a meta of its own. */
  putting(session: string, seq: number, contents: View, tag = "none"): number {
    const puts: Put[] = contents.map(([key, content]) => ({ key, content, meta: [["tag", tag]] }));
    return this.invoke(session, { kind: "write", session, seq, puts, removes: [] });
  }

  removing(session: string, seq: number, ...removes: string[]): number {
    return this.invoke(session, { kind: "write", session, seq, puts: [], removes });
  }

  /** An update, which compares where `ifRevision` is given. */
  updating(
    session: string,
    seq: number,
    [key, content]: View[number],
    ifRevision: number | null = null,
  ): number {
    const puts: Put[] = [{ key, content, meta: [] }];
    const update = { ifRevision };
    return this.invoke(session, { kind: "write", session, seq, puts, removes: [], update });
  }

  /** What is put belongs to no session. */
  lasting(session: string, seq: number, contents: View, revision: number): this {
    const puts: Put[] = contents.map(([key, content]) => ({ key, content, meta: [] }));
    const call = { kind: "write", session, seq, puts, removes: [], isLasting: true } as const;
    return this.ok(this.invoke(session, call), revision);
  }

  saying(session: string, seq: number): number {
    const call = { kind: "write", session, seq, puts: [], removes: [], isBye: true } as const;
    return this.invoke(session, call);
  }

  /** It says that it is over, and is answered. */
  bye(session: string, seq: number, revision: number): this {
    return this.ok(this.saying(session, seq), revision);
  }

  used(process: string, token: number, isAccepted = true): this {
    return this.record({ type: "fenced", process, token, isAccepted });
  }

  put(session: string, seq: number, contents: View, revision: number, tag?: string): this {
    return this.ok(this.putting(session, seq, contents, tag), revision);
  }

  remove(session: string, seq: number, key: string, revision: number): this {
    return this.ok(this.removing(session, seq, key), revision);
  }

  ok(op: number, revision: number): this {
    return this.record({ type: "ok", op, revision });
  }

  fail(op: number, code = "LIMIT", revision: number | null = null): this {
    return this.record({ type: "fail", op, code, revision });
  }

  /** A keepalive that is confirmed. */
  touch(session: string, attach = 1): this {
    return this.ok(this.invoke(session, { kind: "touch", session, attach }), 0);
  }

  reading(
    process: string,
    mode: ReadCall["mode"] = { type: "linearizable" },
    selector = ALL,
  ): number {
    return this.invoke(process, { kind: "read", selector, mode });
  }

  answer(op: number, revision: number, view: View, age: { ageMs?: number; asOfMs?: number } = {}) {
    return this.record({ type: "ok", op, revision, view, ...age });
  }

  read(process: string, revision: number, view: View, mode?: ReadCall["mode"]): this {
    return this.answer(this.reading(process, mode), revision, view);
  }

  subscribe(
    process: string,
    from: { revision: number; view: View | null } | null = null,
    selector = ALL,
    mode: "delta" | "full" = "delta",
  ): number {
    this.#streams += 1;
    const stream = this.#streams;
    this.record({ type: "subscribe", stream, process, selector, from, mode });
    return stream;
  }

  snapshot(stream: number, revision: number, view: View, isReset = false): this {
    return this.record({ type: "snapshot", stream, revision, view, isReset });
  }

  delta(stream: number, revision: number, put: View, remove: readonly string[] = []): this {
    return this.record({ type: "delta", stream, revision, put, remove, collapsed: null });
  }

  collapsed(
    stream: number,
    [from, revision]: readonly [number, number],
    put: View,
    remove: readonly string[] = [],
    isLast = true,
  ): this {
    const collapsed = { from, isLast };
    return this.record({ type: "delta", stream, revision, put, remove, collapsed });
  }

  mark(stream: number, revision: number): this {
    return this.record({ type: "mark", stream, revision });
  }

  revision(revision: number, put: View, remove: readonly string[] = []): this {
    return this.record({ type: "revision", revision, put, remove });
  }

  ended(session: string, reason: string, revision = 0): this {
    return this.record({ type: "ended", session, reason, revision });
  }

  told(session: string, reason: string, revision = 0): this {
    return this.record({ type: "toldEnd", session, reason, revision });
  }

  closed(session: string, attach = 1): this {
    return this.record({ type: "closed", session, attach });
  }

  left(session: string): this {
    return this.record({ type: "abandoned", session });
  }
}
