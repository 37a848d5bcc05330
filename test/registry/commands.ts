import type {
  CloseSession,
  Command,
  Deregister,
  OpenSession,
  Outcome,
  Register,
  Reply,
  Update,
} from "../../src/registry/command.ts";
import type { InstanceKey, InstanceSpec, MetaPairs } from "../../src/registry/instance.ts";
import type { ApplyResult, Registry } from "../../src/registry/registry.ts";

export const key = (addr = "10.0.0.1:80", application = "shop"): InstanceKey => ({
  namespace: "default",
  application,
  protocol: "http",
  addr,
});

export const spec = (
  addr = "10.0.0.1:80",
  { application = "shop", ...rest }: Partial<InstanceSpec> = {},
): InstanceSpec => ({
  ...key(addr, application),
  meta: [],
  weight: 100,
  version: null,
  location: null,
  status: "up",
  reason: null,
  isPersistent: false,
  ...rest,
});

export const meta = (...pairs: [string, string][]): MetaPairs => pairs;

export const open = (session: string, rest: Partial<OpenSession> = {}): OpenSession => ({
  type: "openSession",
  session,
  secretHash: `secret of ${session}`,
  ttlMs: 10_000,
  graceMs: 2_000,
  appliedIndex: 0,
  client: "test",
  ...rest,
});

/** A registry with a log of its own: each command an entry, numbers counted where none is given. */
export class Log {
  readonly registry: Registry;
  index = 0;
  term = 1;
  atMs = 1_700_000_000_000;
  readonly #seqs = new Map<string, number>();

  constructor(registry: Registry) {
    this.registry = registry;
  }

  apply(command: Command): ApplyResult {
    this.index += 1;
    this.atMs += 1;
    return this.registry.apply({ index: this.index, term: this.term, atMs: this.atMs }, command);
  }

  open(...sessions: string[]): void {
    for (const session of sessions) this.apply(open(session));
  }

  register(session: string, ...instances: InstanceSpec[]): ApplyResult {
    return this.apply({ type: "register", ...this.next(session), instances } satisfies Register);
  }

  update(
    session: string,
    of: InstanceKey,
    set: Update["set"],
    ifRevision: number | null = null,
  ): ApplyResult {
    return this.apply({ type: "update", ...this.next(session), key: of, set, ifRevision });
  }

  deregister(session: string, ...keys: InstanceKey[]): ApplyResult {
    return this.apply({ type: "deregister", ...this.next(session), keys } satisfies Deregister);
  }

  close(session: string): ApplyResult {
    return this.apply({ type: "closeSession", ...this.next(session) } satisfies CloseSession);
  }

  expire(...sessions: string[]): ApplyResult {
    return this.apply({
      type: "expireSessions",
      term: this.term,
      sessions: sessions.map((session) => ({ session, reason: "ttl" as const })),
    });
  }

  /** The next number of a session whose requests are all answered. */
  next(session: string): { session: string; seq: number; floor: number } {
    const seq = (this.#seqs.get(session) ?? 0) + 1;
    this.#seqs.set(session, seq);
    return { session, seq, floor: seq };
  }
}

export function replyOf({ outcome }: { readonly outcome: Outcome }): Reply {
  if (outcome.type !== "applied") throw new Error(`no reply, but ${outcome.type}`);
  return outcome.reply;
}

/** The code of a refusal, or "ok". */
export function codeOf(result: { readonly outcome: Outcome }): string {
  const reply = replyOf(result);
  return reply.ok ? "ok" : reply.code;
}
