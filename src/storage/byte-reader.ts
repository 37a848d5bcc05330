/** So many bytes at a time of what comes in pieces of any size. */
export class ByteReader {
  readonly #pieces: AsyncIterator<Uint8Array>;
  readonly #onTaken: (bytes: Uint8Array) => void;
  #rest: Buffer = Buffer.alloc(0);
  #position = 0;
  #isOver = false;

  /** `onTaken` is called with what is given out, in order. */
  constructor(source: AsyncIterable<Uint8Array>, onTaken: (bytes: Uint8Array) => void) {
    this.#pieces = source[Symbol.asyncIterator]();
    this.#onTaken = onTaken;
  }

  /** Of what was given out. */
  get position(): number {
    return this.#position;
  }

  /** What has come and was not given out. */
  get rest(): Buffer {
    return this.#rest;
  }

  /** Of all that has come. */
  get length(): number {
    return this.#position + this.#rest.length;
  }

  /** Null where fewer are left. */
  async take(count: number): Promise<Uint8Array | null> {
    const pieces = [this.#rest];
    let has = this.#rest.length;
    while (has < count && !this.#isOver) {
      const next = await this.#pieces.next();
      if (next.done === true) {
        this.#isOver = true;
      } else {
        const { buffer, byteOffset, length } = next.value;
        pieces.push(Buffer.from(buffer, byteOffset, length));
        has += length;
      }
    }
    this.#rest = pieces.length === 1 ? this.#rest : Buffer.concat(pieces);
    if (has < count) return null;
    const taken = this.#rest.subarray(0, count);
    this.#rest = this.#rest.subarray(count);
    this.#position += count;
    this.#onTaken(taken);
    return taken;
  }

  /** Lets go of the source, wherever it is. */
  async close(): Promise<void> {
    await this.#pieces.return?.();
  }
}
