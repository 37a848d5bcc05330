/** A page: what is written in place by its own never shares one with anything else. */
export const BLOCK_BYTES = 4096;

/** One block, the rest of it line ends, so that a line that has lost its own is still found. */
export function padToBlock(content: Uint8Array): Buffer {
  const block = Buffer.alloc(BLOCK_BYTES, 0x0a);
  block.set(content);
  return block;
}
