import type { Selector } from "../../src/registry/instance.ts";
import type { ReadAnswer, ReadConsistency, RequestId } from "../../src/replica/inputs.ts";
import { drawReadMode } from "../workload.ts";
import { viewOf } from "./canon.ts";
import type { ClientLink } from "./link.ts";
import type { World } from "./world.ts";

interface Asked {
  readonly op: number;
  readonly sentMs: number;
}

const TIMEOUT_MS = 1_000;
const UNANSWERED_MAX = 16;
/** Above the numbers of writes and keepalives on the same connection. */
const REQUESTS_FROM = 2_000_000;

/** Reads in all ways on the connection of a process, and writes down the answers. */
export class SimReader {
  readonly #world: World;
  readonly #process: string;
  #requests = REQUESTS_FROM;
  #asked = new Map<RequestId, Asked>();
  #answered = 0;

  constructor(world: World, process: string) {
    this.#world = world;
    this.#process = process;
  }

  get answered(): number {
    return this.#answered;
  }

  /** The connection is gone, and the answers with it. */
  forget(): void {
    this.#asked.clear();
  }

  read(link: ClientLink, selector: Selector, floorRevision: number): void {
    if (this.#asked.size >= UNANSWERED_MAX) {
      return;
    }
    const { prng, recorder, schedule } = this.#world;
    this.#requests += 1;
    const consistency: ReadConsistency = drawReadMode(prng, floorRevision);
    const op = recorder.invoke(this.#process, { kind: "read", selector, mode: consistency });
    this.#asked.set(this.#requests, { op, sentMs: schedule.nowMs });
    const request = this.#requests;
    link.send({ type: "read", request, selector, consistency, timeoutMs: TIMEOUT_MS });
  }

  reply(link: ClientLink, request: RequestId, answer: ReadAnswer): void {
    const asked = this.#asked.get(request);
    this.#asked.delete(request);
    if (asked === undefined) {
      return;
    }
    this.#answered += 1;
    const { instances, revision, ageMs } = answer;
    // A node knows the age by its own clock, to a millisecond.
    const asOfMs = ageMs === null ? null : link.node.clock.before(asked.sentMs, ageMs + 1);
    const view = viewOf(instances);
    this.#world.recorder.record({ type: "ok", op: asked.op, revision, view, ageMs, asOfMs });
  }

  refused(request: RequestId): void {
    this.#asked.delete(request);
  }
}
