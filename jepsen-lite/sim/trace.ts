import { crc32 } from "node:zlib";

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** A hash over what happened, in its order, that two runs of one seed must share. */
export class Trace {
  #hash = FNV_OFFSET;

  get hash(): string {
    return (this.#hash >>> 0).toString(16).padStart(8, "0");
  }

  /** All of a value: messages, outputs and writes are plain ones. */
  fold(value: unknown): void {
    if (typeof value === "string" || value instanceof Uint8Array) {
      this.#mix(crc32(value));
    } else if (typeof value === "number") {
      this.#mix(value | 0);
      this.#mix(Math.floor(value / 2 ** 32));
    } else if (Array.isArray(value)) {
      this.#mix(value.length);
      for (const item of value) {
        this.fold(item);
      }
    } else if (typeof value === "object" && value !== null) {
      for (const field in value) {
        this.fold((value as Record<string, unknown>)[field]);
      }
    } else {
      this.#mix(crc32(String(value)));
    }
  }

  #mix(bits: number): void {
    this.#hash = Math.imul(this.#hash ^ bits, FNV_PRIME);
  }
}
