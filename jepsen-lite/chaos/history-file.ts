import { once } from "node:events";
import { createWriteStream, type WriteStream } from "node:fs";
import type { Event, History, Key, View } from "../history.ts";
import { lineOf, readJsonLines, writeJsonLines } from "./json-lines.ts";

const BUFFER_CHARACTERS = 1 << 16;

/** Writes down a history as it comes, an event a line. What comes behind the end is left out. */
export class HistoryWriter {
  readonly #file: WriteStream;
  #lines: string[] = [];
  #characters = 0;
  #isOver = false;

  constructor(path: string) {
    this.#file = createWriteStream(path);
  }

  write(event: Event): void {
    if (this.#isOver) return;
    const line = lineOf(event);
    this.#lines.push(line);
    this.#characters += line.length;
    if (this.#characters > BUFFER_CHARACTERS) this.#flush();
  }

  /** Resolves when all of it is in the file. */
  async end(): Promise<void> {
    this.#isOver = true;
    this.#flush();
    this.#file.end();
    if (!this.#file.closed) await once(this.#file, "close");
  }

  #flush(): void {
    this.#file.write(this.#lines.join(""));
    this.#lines = [];
    this.#characters = 0;
  }
}

/** An event a line. */
export async function writeHistory(path: string, history: History): Promise<void> {
  await writeJsonLines(path, history);
}

export async function readHistory(path: string): Promise<History> {
  const shared = new Shared();
  return await readJsonLines<Event>(path, (event) => shared.event(event));
}

type Row = View[number];

/** Views say the same of most keys, over and over: each of that is in memory once. */
class Shared {
  readonly #rows = new Map<string, Row>();
  readonly #keys = new Map<Key, Key>();

  event(event: Event): Event {
    switch (event.type) {
      case "ok":
        return event.view === undefined ? event : { ...event, view: this.#view(event.view) };
      case "snapshot":
        return { ...event, view: this.#view(event.view) };
      case "delta":
        return { ...event, put: this.#view(event.put), remove: event.remove.map(this.#key) };
      case "subscribe": {
        const view = event.from?.view ?? null;
        if (event.from === null || view === null) return event;
        return { ...event, from: { ...event.from, view: this.#view(view) } };
      }
      default:
        return event;
    }
  }

  #view(view: View): View {
    return view.map((row) => {
      const name = row.join("\n");
      const known = this.#rows.get(name);
      if (known === undefined) this.#rows.set(name, row);
      return known ?? row;
    });
  }

  readonly #key = (key: Key): Key => {
    const known = this.#keys.get(key);
    if (known === undefined) this.#keys.set(key, key);
    return known ?? key;
  };
}
