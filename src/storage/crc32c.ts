/**
 * CRC-32C (Castagnoli), which zlib does not have, a byte at a time: start with `CRC32C_START`, end
 * with `~crc >>> 0`.
 */
export const CRC32C_START = 0xffffffff;

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc >>> 0;
});

export function crc32cStep(crc: number, byte: number): number {
  return (crc >>> 8) ^ (TABLE[(crc ^ byte) & 0xff] ?? 0);
}

/** Of the bytes from `from` to before `to`. */
export function crc32c(bytes: Uint8Array, from: number, to: number): number {
  let crc = CRC32C_START;
  for (let at = from; at < to; at += 1) crc = crc32cStep(crc, bytes[at] ?? 0);
  return ~crc >>> 0;
}
