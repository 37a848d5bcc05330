import { RollcallError, type WatchEvent } from "../../src/client/index.ts";
import { within } from "./wait.ts";

interface Stream {
  readonly acknowledged: Set<string>;
  readonly indefinite: Set<string>;
  stop(): Promise<void>;
}

/** Registers one address after the other, several at a time, until it is told to stop. */
export function registerForEver(
  register: (addr: string) => Promise<unknown>,
  workers: number,
  host: string,
): Stream {
  const acknowledged = new Set<string>();
  const indefinite = new Set<string>();
  let next = 0;
  let isStopped = false;
  const work = async (): Promise<void> => {
    while (!isStopped) {
      next += 1;
      const addr = `${host}:${next}`;
      try {
        await register(addr);
        acknowledged.add(addr);
      } catch (error) {
        if (error instanceof RollcallError && error.definite) {
          continue;
        }
        indefinite.add(addr);
      }
    }
  };
  const working = Promise.all(Array.from({ length: workers }, work));
  return {
    acknowledged,
    indefinite,
    async stop() {
      isStopped = true;
      await within(30_000, "the last registrations", working);
    },
  };
}

/** Folds a watch and holds each event against the last: in order, nothing missing or twice. */
export class Follower {
  readonly addrs = new Set<string>();
  readonly faults: string[] = [];
  resets = 0;
  #revision = -1;

  take(event: WatchEvent): void {
    if (event.revision <= this.#revision) {
      this.faults.push(`revision ${event.revision} after ${this.#revision}`);
    }
    this.#revision = event.revision;
    if (event.type === "snapshot") {
      this.resets += event.reset === true ? 1 : 0;
      this.addrs.clear();
    }
    for (const { addr } of event.put) {
      this.addrs.add(addr);
    }
    for (const { addr } of event.remove) {
      if (!this.addrs.delete(addr)) {
        this.faults.push(`${addr} was removed and never there`);
      }
    }
    const listed = event.instances.map(({ addr }) => addr);
    if (listed.length !== this.addrs.size || listed.some((addr) => !this.addrs.has(addr))) {
      this.faults.push(`the list at revision ${event.revision} is not what the changes lead to`);
    }
  }
}
