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
    if (typeof value === "string") {
      this.#text(value);
    } else if (typeof value === "number") {
      this.#mix(value | 0);
      this.#mix(Math.floor(value / 2 ** 32));
    } else if (value instanceof Uint8Array) {
      for (const byte of value) {
        this.#mix(byte);
      }
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
      this.#text(String(value));
    }
  }

  #text(text: string): void {
    for (let i = 0; i < text.length; i += 1) {
      this.#mix(text.charCodeAt(i));
    }
  }

  #mix(bits: number): void {
    this.#hash = Math.imul(this.#hash ^ bits, FNV_PRIME);
  }
}
