import type { ErrorCode } from "../errors.ts";
import type { InstanceContent, InstanceKey, InstanceSpec } from "./instance.ts";

/**
 * Opens the session `session` (number 0 of its sequence). Idempotent: while it lives, the same id
 * and secret get the first answer again, whatever times they ask for; another secret gets DENIED.
 * `appliedIndex` is the log index that the node had applied when it took the request: with the
 * tombstones it tells a late duplicate from a new session. An ended id is refused with
 * SESSION_EXPIRED, an opening that is too old to tell with SESSION_UNKNOWN.
 */
export interface OpenSession {
  readonly type: "openSession";
  /** 32 hex digits, chosen by the client. */
  readonly session: string;
  /** SHA-256 of the client's secret, 64 hex digits. */
  readonly secretHash: string;
  readonly ttlMs: number;
  readonly graceMs: number;
  readonly appliedIndex: number;
  /** What the client calls itself, for people. */
  readonly client: string;
}

/**
 * Every other command of a session: its number and the lowest one still unanswered. It is applied
 * only when its number is max(last applied + 1, floor). A refusal by what the command asks for
 * (TAKEN_OVER, CONFLICT, NOT_FOUND, INVALID) counts as applied and is kept. Refused without effect:
 * below the floor (INVALID, field `seq`), more than UNANSWERED_PER_SESSION_MAX unanswered (LIMIT),
 * a session that has ended (SESSION_EXPIRED) or is not known (SESSION_UNKNOWN).
 */
interface Numbered {
  readonly session: string;
  readonly seq: number;
  readonly floor: number;
}

/**
 * All or none of them. What is there already with this content and owner is no change; a newer
 * session takes over what an older one owns; any session may write persistent ones. TAKEN_OVER:
 * a newer session owns it. CONFLICT: it is of the other kind. INVALID: one key twice.
 */
export interface Register extends Numbered {
  readonly type: "register";
  readonly instances: readonly InstanceSpec[];
}

/**
 * Changes the named fields of an instance; its owner stays. A session may update what it owns, what
 * is persistent, and what an older session owns: an operator's command comes in a session that is
 * newer than the provider's. TAKEN_OVER: a newer session owns it. NOT_FOUND: it is absent, or all
 * that is left of it is waiting to be removed with its ended session.
 */
export interface Update extends Numbered {
  readonly type: "update";
  readonly key: InstanceKey;
  readonly set: Partial<InstanceContent>;
  /** Refused with CONFLICT unless the record's `modifiedRevision` is this; null compares nothing. */
  readonly ifRevision: number | null;
}

/**
 * All or none of them; a key that is absent already is no error. Who may update may deregister.
 * TAKEN_OVER: a newer session owns it.
 */
export interface Deregister extends Numbered {
  readonly type: "deregister";
  readonly keys: readonly InstanceKey[];
}

/**
 * `bye`: ends the session at once and removes the first REMOVALS_PER_COMMAND_MAX of its instances,
 * `reapSession` the others. A retry is acknowledged as long as the session's end is known.
 */
export interface CloseSession extends Numbered {
  readonly type: "closeSession";
}

/** Counts only in an entry of `term`, so an old leader's expiries end nobody. */
export interface ExpireSessions {
  readonly type: "expireSessions";
  readonly term: number;
  readonly sessions: readonly { readonly session: string; readonly reason: EndReason }[];
}

/** Goes on removing what an ended session still owns. Any leader proposes it, doubles are harmless. */
export interface ReapSession {
  readonly type: "reapSession";
  readonly session: string;
}

/** Proposed once every member supports `version`; lower or equal changes nothing. */
export interface RaiseStateVersion {
  readonly type: "raiseStateVersion";
  readonly version: number;
}

export type SessionCommand = Register | Update | Deregister | CloseSession;
export type Command =
  | OpenSession
  | SessionCommand
  | ExpireSessions
  | ReapSession
  | RaiseStateVersion;

export type EndReason = "closed" | "ttl" | "grace" | "killed";

/** What came of a command; the part that is kept for retries. */
export type Reply =
  | { readonly ok: true /** of the state after the command */; readonly revision: number }
  | {
      readonly ok: false;
      readonly revision: number;
      readonly code: ErrorCode;
      readonly message: string;
      readonly field?: string;
    };

/**
 * `applied`: the reply stands, be it of now, of before with the same kept reply, or a refusal
 * without effect. No copy of what was refused is applied later, but for SESSION_UNKNOWN where the
 * session's opening is still on its way: a node hands on no write before the opening is applied.
 * Nor was one applied before, with two exceptions in which nobody may be told that it was not:
 * below the floor, where its client has stopped waiting, and SESSION_EXPIRED on a retry.
 * `gap`: an earlier number is missing, nothing was recorded, send again in order from `expected`.
 */
export type Outcome =
  | { readonly type: "applied"; readonly reply: Reply }
  | { readonly type: "gap"; readonly expected: number }
  | { readonly type: "none" };
