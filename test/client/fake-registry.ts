import type { ErrorCode } from "../../src/errors.ts";
import type {
  Bye,
  DeregisterMessage,
  Endpoint,
  ErrorBody,
  KeyBody,
  RegisterBody,
  RegisterMessage,
  SelectorBody,
  UpdateMessage,
} from "../../src/wire/messages.ts";

export type WriteMessage = RegisterMessage | UpdateMessage | DeregisterMessage | Bye;

export type WriteResult =
  | { readonly ok: true; readonly revision: number }
  | { readonly ok: false; readonly error: ErrorBody };

export interface FakeSession {
  readonly id: string;
  readonly secret: string;
  readonly order: number;
  attach: number;
  lastSeq: number;
  readonly replies: Map<number, WriteResult>;
  ownedRevision: number;
}

export interface FakeChange {
  readonly revision: number;
  readonly before: Endpoint | null;
  readonly after: Endpoint | null;
}

function keyOf(key: KeyBody): string {
  return [key.namespace ?? "default", key.application, key.protocol, key.addr].join(" ");
}

export function matches(selector: SelectorBody, endpoint: Endpoint): boolean {
  return (
    (selector.namespace ?? "default") === endpoint.namespace &&
    (selector.application ?? selector.provider) === endpoint.application &&
    (selector.protocol === undefined || selector.protocol === endpoint.protocol) &&
    Object.entries(selector.meta ?? {}).every(([name, value]) => endpoint.meta[name] === value)
  );
}

/**
 * What all fake nodes share: the rules of design sections 4 and 5 in their simplest form, without
 * Raft. It is the world that the SDK is tested against.
 */
export class FakeRegistry {
  revision = 0;
  readonly instances = new Map<string, Endpoint>();
  readonly sessions = new Map<string, FakeSession>();
  readonly ended = new Map<string, string>();
  readonly changes: FakeChange[] = [];
  /** (session, number) of every write that was applied, in order. */
  readonly applied: string[] = [];
  onChanges: (changes: readonly FakeChange[]) => void = () => {};
  #order = 0;

  open(id: string, secret: string): FakeSession | null {
    if (this.ended.has(id)) {
      return null;
    }
    const known = this.sessions.get(id);
    if (known !== undefined) {
      return known;
    }
    this.#order += 1;
    const session: FakeSession = {
      ...{ id, secret, order: this.#order, attach: 0, lastSeq: 0 },
      ...{ replies: new Map<number, WriteResult>(), ownedRevision: 0 },
    };
    this.sessions.set(id, session);
    return session;
  }

  owned(id: string): Endpoint[] {
    return [...this.instances.values()].filter((endpoint) => endpoint.session === id);
  }

  end(id: string, reason: string): void {
    this.sessions.delete(id);
    this.ended.set(id, reason);
    this.#commit(this.owned(id).map((before) => ({ before, after: null })));
  }

  select(selector: SelectorBody): Endpoint[] {
    return [...this.instances.values()].filter((endpoint) => matches(selector, endpoint));
  }

  addresses(application: string): string[] {
    return this.select({ application })
      .map((endpoint) => endpoint.addr)
      .sort();
  }

  write(id: string, message: WriteMessage): WriteResult {
    const session = this.sessions.get(id);
    if (session === undefined) {
      return refused(this.ended.has(id) ? "SESSION_EXPIRED" : "SESSION_UNKNOWN");
    }
    const kept = session.replies.get(message.seq);
    if (kept !== undefined) {
      return kept;
    }
    const expected = Math.max(session.lastSeq + 1, message.low);
    if (message.seq !== expected) {
      return message.seq > expected
        ? refused("SEQUENCE_GAP")
        : refused("INVALID", "below the floor");
    }
    session.lastSeq = message.seq;
    this.applied.push(`${id} ${message.seq}`);
    const result = this.#apply(session, message);
    session.replies.set(message.seq, result);
    return result;
  }

  /** Somebody else's write, from a session that is newer than all. */
  byOther(message: { register: RegisterBody } | { deregister: KeyBody }): string {
    const session = this.open(`other${this.#order}`, "x") as FakeSession;
    const numbers = { id: 1, seq: 1, low: 1 };
    this.write(
      session.id,
      "register" in message
        ? { type: "register", ...numbers, ...message.register }
        : { type: "deregister", ...numbers, ...message.deregister },
    );
    return session.id;
  }

  #apply(session: FakeSession, message: WriteMessage): WriteResult {
    switch (message.type) {
      case "register":
        return this.#register(
          session,
          "instances" in message ? message.instances : [message as RegisterBody],
        );
      case "deregister":
        return this.#deregister(session, "keys" in message ? message.keys : [message as KeyBody]);
      case "update":
        return this.#update(session, message);
      case "bye":
        this.end(session.id, "closed");
        return { ok: true, revision: this.revision };
    }
  }

  #register(session: FakeSession, bodies: readonly RegisterBody[]): WriteResult {
    const changes: Omit<FakeChange, "revision">[] = [];
    for (const body of bodies) {
      const before = this.instances.get(keyOf(body)) ?? null;
      if (this.#isNewer(before, session)) {
        return refused("TAKEN_OVER");
      }
      const after = this.#endpoint(body, session, before);
      if (before === null || !isSame(before, after)) {
        changes.push({ before, after });
      }
    }
    this.#commit(changes);
    return { ok: true, revision: this.revision };
  }

  #deregister(session: FakeSession, keys: readonly KeyBody[]): WriteResult {
    const found = keys.flatMap((key) => this.instances.get(keyOf(key)) ?? []);
    if (found.some((endpoint) => this.#isNewer(endpoint, session))) {
      return refused("TAKEN_OVER");
    }
    this.#commit(found.map((before) => ({ before, after: null })));
    return { ok: true, revision: this.revision };
  }

  #update(session: FakeSession, { key, set, ifRevision }: UpdateMessage): WriteResult {
    const before = this.instances.get(keyOf(key));
    if (before === undefined) {
      return refused("NOT_FOUND");
    }
    if (this.#isNewer(before, session)) {
      return refused("TAKEN_OVER");
    }
    if (ifRevision !== undefined && ifRevision !== before.modifiedRevision) {
      return refused("CONFLICT");
    }
    const merged = { ...before, ...set } as unknown as RegisterBody;
    const body = { ...merged, persistent: before.session === null };
    this.#commit([{ before, after: this.#endpoint(body, session, before) }]);
    return { ok: true, revision: this.revision };
  }

  #isNewer(endpoint: Endpoint | null, session: FakeSession): boolean {
    const owner = endpoint?.session == null ? undefined : this.sessions.get(endpoint.session);
    return owner !== undefined && owner.order > session.order;
  }

  #endpoint(body: RegisterBody, session: FakeSession, before: Endpoint | null): Endpoint {
    return {
      namespace: body.namespace ?? "default",
      application: body.application,
      protocol: body.protocol,
      addr: body.addr,
      meta: body.meta ?? {},
      weight: body.weight ?? 100,
      ...(body.version != null && { version: body.version }),
      status: body.status ?? "up",
      session: body.persistent === true ? null : session.id,
      createdRevision: before?.createdRevision ?? this.revision + 1,
      modifiedRevision: this.revision + 1,
      createdAtMs: 0,
      modifiedAtMs: 0,
    };
  }

  #commit(changes: readonly Omit<FakeChange, "revision">[]): void {
    if (changes.length === 0) {
      return;
    }
    this.revision += 1;
    const made = changes.map((change) => ({ ...change, revision: this.revision }));
    for (const { before, after } of made) {
      for (const endpoint of [before, after]) {
        const owner = endpoint?.session == null ? undefined : this.sessions.get(endpoint.session);
        if (owner !== undefined) {
          owner.ownedRevision = this.revision;
        }
      }
      if (after === null && before !== null) {
        this.instances.delete(keyOf(before));
      } else if (after !== null) {
        this.instances.set(keyOf(after), after);
      }
    }
    this.changes.push(...made);
    this.onChanges(made);
  }
}

function refused(code: ErrorCode, message: string = code): WriteResult {
  return { ok: false, error: { code, message } };
}

function isSame(a: Endpoint, b: Endpoint): boolean {
  const content = ({ meta, weight, version, status, session }: Endpoint): string =>
    JSON.stringify([meta, weight, version, status, session]);
  return content(a) === content(b);
}
