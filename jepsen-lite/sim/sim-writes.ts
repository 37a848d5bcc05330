import type { Reply } from "../../src/registry/command.ts";
import type { InstanceKey, InstanceSpec } from "../../src/registry/instance.ts";
import type { RequestId, WriteCommand } from "../../src/replica/inputs.ts";
import type { Put } from "../history.ts";
import { drawKeys, type KeySpace } from "../workload.ts";
import { contentOf, keyOf } from "./canon.ts";
import type { ClientLink } from "./link.ts";
import type { World } from "./world.ts";

interface Numbered {
  readonly op: number;
  readonly seq: number;
  readonly command: (seq: number, floor: number) => WriteCommand;
  /** Some attempt has no definite end, so it may happen whatever is said of the others. */
  isDoubtful: boolean;
}

const TIMEOUT_MS = 1_500;
const UNANSWERED_MAX = 4;
const ADDRESSES = 3;
const APPLICATIONS = ["a", "b"];
/** Per mille: of a key that all clients write, of one that is sent in vain. */
const SHARED_CHANCE = 150;
const AGAIN_CHANCE = 60;

/** The numbered writes of one session, sent again until they are answered or given up. */
export class SimWrites {
  readonly #world: World;
  readonly #client: string;
  readonly #space: KeySpace;
  readonly #session: string;
  #nextSeq = 1;
  #waiting: Numbered[] = [];
  /** Answered or given up; an answer to another copy may come. */
  readonly #over = new Map<number, Numbered>();
  #acknowledged = 0;

  constructor(world: World, client: string, session: string) {
    this.#world = world;
    this.#client = client;
    this.#space = {
      ...{ client, applications: APPLICATIONS },
      ...{ addresses: ADDRESSES, sharedChance: SHARED_CHANCE },
    };
    this.#session = session;
  }

  get acknowledged(): number {
    return this.#acknowledged;
  }

  get waiting(): readonly number[] {
    return this.#waiting.map(({ seq }) => seq);
  }

  get hasRoom(): boolean {
    return this.#waiting.length < UNANSWERED_MAX;
  }

  operate(link: ClientLink | null): void {
    const { prng, recorder } = this.#world;
    const seq = this.#nextSeq;
    this.#nextSeq += 1;
    const keys = drawKeys(prng, this.#space);
    const isRemoval = prng.chance(250);
    const instances = isRemoval ? [] : keys.map((key, i) => this.#instance(key, `${seq}.${i}`));
    const operation: Numbered = {
      op: recorder.invoke(this.#client, {
        kind: "write",
        session: this.#session,
        seq,
        puts: instances.map(putOf),
        removes: isRemoval ? keys.map(keyOf) : [],
      }),
      seq,
      isDoubtful: false,
      command: (number, floor) =>
        isRemoval
          ? { type: "deregister", seq: number, floor, keys }
          : { type: "register", seq: number, floor, instances },
    };
    this.#waiting.push(operation);
    this.#send(link, operation);
  }

  /** The attempts before are still on their way, for all that is known. */
  sendAgain(link: ClientLink | null): void {
    for (const operation of this.#waiting) {
      operation.isDoubtful = true;
      this.#repeat(link, operation);
    }
  }

  /** Whether it was refused because the session is over. */
  replied(link: ClientLink | null, request: RequestId, reply: Reply): boolean {
    const operation = this.#waiting.find(({ seq }) => seq === request) ?? this.#over.get(request);
    if (operation === undefined) {
      return false;
    }
    const isFirst = !this.#over.has(request);
    this.#finish(operation);
    this.#record(operation, reply, isFirst);
    if (reply.ok && isFirst) {
      this.#acknowledged += 1;
      // As a copy that comes late does; it is answered as it was, or not at all.
      if (this.#world.prng.chance(AGAIN_CHANCE)) {
        this.#repeat(link, operation);
      }
    }
    return !reply.ok && (reply.code === "SESSION_EXPIRED" || reply.code === "SESSION_UNKNOWN");
  }

  /** Nothing was decided: the same number goes again (true), or is given up for good. */
  refused(request: RequestId, code: string, isDefinite: boolean): boolean {
    const operation = this.#waiting.find(({ seq }) => seq === request);
    if (operation === undefined) {
      return false;
    }
    operation.isDoubtful ||= !isDefinite;
    if (!this.#world.prng.chance(200)) {
      return true;
    }
    this.#finish(operation);
    const { op } = operation;
    this.#world.recorder.record(
      operation.isDoubtful
        ? { type: "info", op, code }
        : { type: "fail", op, code, revision: null },
    );
    return false;
  }

  #finish(operation: Numbered): void {
    this.#waiting = this.#waiting.filter((other) => other !== operation);
    this.#over.set(operation.seq, operation);
  }

  /** INVALID is the answer to a copy below the floor: it says nothing of the others. */
  #record({ op, isDoubtful }: Numbered, reply: Reply, isFirst: boolean): void {
    const { recorder } = this.#world;
    const { revision } = reply;
    if (reply.ok) {
      recorder.record({ type: "ok", op, revision });
      return;
    }
    const { code } = reply;
    const isOver = code === "SESSION_EXPIRED" || code === "SESSION_UNKNOWN";
    if (code === "INVALID" || (isOver && (isDoubtful || !isFirst))) {
      recorder.record({ type: "info", op, code });
    } else {
      recorder.record({ type: "fail", op, code, revision });
    }
  }

  #repeat(link: ClientLink | null, operation: Numbered): void {
    if (link !== null) {
      this.#world.recorder.record({ type: "again", op: operation.op });
      this.#send(link, operation);
    }
  }

  #send(link: ClientLink | null, { seq, command }: Numbered): void {
    const floor = Math.min(seq, this.#waiting[0]?.seq ?? seq);
    link?.send({
      type: "write",
      request: seq,
      command: command(seq, floor),
      timeoutMs: TIMEOUT_MS,
    });
  }

  /** Each content is unlike all others, so that it tells who wrote it. */
  #instance(key: InstanceKey, value: string): InstanceSpec {
    return {
      ...key,
      meta: [
        ["tag", this.#world.prng.pick(["read", "write"])],
        ["value", `${this.#session}-${value}`],
      ],
      weight: 100,
      version: null,
      location: null,
      status: "up",
      reason: null,
      isPersistent: false,
    };
  }
}

function putOf(instance: InstanceSpec): Put {
  return { key: keyOf(instance), content: contentOf(instance), meta: instance.meta };
}
