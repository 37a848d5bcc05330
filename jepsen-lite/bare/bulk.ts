import { type Endpoint, padOf } from "./messages.ts";
import type { Wish, Work } from "./work.ts";

/** Apart from all others, so that only those who mean to are sent this much. */
export const BULK_APPLICATION = "bulk";
/** Of one write, each at an address of its own. */
const INSTANCES = 8;

/** Large instances, over and over, while it is asked to: more than a reader that stands still can take. */
export class Bulk implements Work {
  isOn = false;
  readonly looksAt = null;
  #session = "";
  #values = 0;
  #acknowledged = 0;

  /** How many large instances were acknowledged. */
  get acknowledged(): number {
    return this.#acknowledged;
  }

  begun(session: string): void {
    this.#session = session;
    this.#values = 0;
  }

  next(): Wish | null {
    if (!this.isOn) return null;
    this.#values += 1;
    const instances = Array.from({ length: INSTANCES }, (_, i): Endpoint => {
      const value = `${this.#session}-${this.#values}.${i}`;
      return {
        ...{ namespace: "default", application: BULK_APPLICATION, protocol: "http" },
        ...{ addr: `bulk:${i + 1}`, meta: { pad: padOf(value), value } },
        ...{ weight: 100, status: "up" },
      };
    });
    return { type: "register", instances };
  }

  settled(_: Wish, { type }: { readonly type: string }): void {
    this.#acknowledged += type === "ok" ? INSTANCES : 0;
  }

  shown(): void {}
}
