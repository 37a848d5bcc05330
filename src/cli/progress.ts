import { bytesText } from "./bytes.ts";
import type { Output } from "./output.ts";

const PERIOD_MS = 100;
/** To the start of the line, and all of it erased. */
const ERASE = "\r\u001b[2K";

/** One line on a terminal that says how far long work is; nothing where nobody looks. */
export class Progress {
  readonly #output: Output;
  readonly #isShown: boolean;
  #lastMs = 0;
  #hasLine = false;

  constructor(output: Output) {
    this.#output = output;
    this.#isShown = output.stderr.isTty && output.isForPeople && !output.isQuiet;
  }

  /** `of`: all that there is, where that is known. */
  bytes(what: string, bytes: number, of: number | null = null): void {
    const nowMs = performance.now();
    if (!this.#isShown || nowMs - this.#lastMs < PERIOD_MS) {
      return;
    }
    this.#lastMs = nowMs;
    this.#hasLine = true;
    const share = of === null || of === 0 ? "" : ` (${Math.floor((100 * bytes) / of)} %)`;
    this.#output.stderr.write(`${ERASE}${what}: ${bytesText(bytes)}${share}`);
  }

  /** Takes the line away. */
  done(): void {
    if (this.#hasLine) {
      this.#hasLine = false;
      this.#output.stderr.write(ERASE);
    }
  }
}
