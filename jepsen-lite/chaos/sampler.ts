import { once } from "node:events";
import { createWriteStream, type WriteStream } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { NodeProcess, NodeView } from "../real/node-process.ts";
import { lineOf } from "./json-lines.ts";

/** How often each node is asked; one that does not answer, when it has had its time to. */
const PERIOD_MS = 250;

interface Asked {
  /** When it was asked, by the clock of the history. */
  readonly atMs: number;
  readonly node: string;
}

/** `down`: it does not run. `silent`: it runs, and does not answer, or serves nobody yet. */
interface Unseen extends Asked {
  readonly state: "down" | "silent";
}

interface Seen extends Asked {
  readonly state: "up";
  readonly id: string;
  readonly role: string;
  readonly term: number;
  /** The id of who leads, by its word. */
  readonly leader: string | null;
  readonly commit: number;
  readonly applied: number;
  readonly revision: number;
}

/** What a node said of itself, or that it said nothing; a line of `views.jsonl`. */
export type NodeSample = Seen | Unseen;

/** Asks nodes what they are, and writes it down as it comes. */
export class Sampler {
  readonly #nodes: () => readonly NodeProcess[];
  readonly #clock: { readonly nowMs: number };
  readonly #file: WriteStream;
  readonly #asked = new Map<NodeProcess, Promise<void>>();
  readonly #asking: Promise<void>;
  #isOver = false;

  /** Begins at once. */
  constructor(
    nodes: () => readonly NodeProcess[],
    clock: { readonly nowMs: number },
    path: string,
  ) {
    this.#nodes = nodes;
    this.#clock = clock;
    this.#file = createWriteStream(path);
    this.#asking = this.#ask();
  }

  /** Resolves when all that was said is in the file. */
  async end(): Promise<void> {
    this.#isOver = true;
    await this.#asking;
    await Promise.all(this.#asked.values());
    this.#file.end();
    if (!this.#file.closed) await once(this.#file, "close");
  }

  async #ask(): Promise<void> {
    while (!this.#isOver) {
      for (const node of this.#nodes()) {
        if (this.#asked.has(node)) continue;
        const sampled = this.#sample(node).finally(() => this.#asked.delete(node));
        this.#asked.set(node, sampled);
      }
      await sleep(PERIOD_MS);
    }
  }

  async #sample(node: NodeProcess): Promise<void> {
    const asked = { atMs: this.#clock.nowMs, node: node.name };
    const view = node.isRunning ? await node.view() : null;
    this.#file.write(lineOf(sampleOf(asked, view, node.isRunning)));
  }
}

function sampleOf(asked: Asked, view: NodeView | null, isRunning: boolean): NodeSample {
  if (view === null) return { ...asked, state: isRunning ? "silent" : "down" };
  const { id, role, term, leader, commit, applied, revision } = view;
  return { ...asked, state: "up", id, role, term, leader, commit, applied, revision };
}
