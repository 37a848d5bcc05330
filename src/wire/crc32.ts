const LANES = 8;

/** Row `k` is the CRC of a byte that is followed by `k` zero bytes (slicing-by-8). */
function makeTable(): Int32Array {
  const table = new Int32Array(LANES * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) {
      crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
    }
    table[byte] = crc;
  }
  for (let index = 256; index < table.length; index++) {
    const previous = table[index - 256] as number;
    table[index] = (table[previous & 0xff] as number) ^ (previous >>> 8);
  }
  return table;
}

const table = makeTable();

/** CRC-32 (IEEE 802.3, as zlib has it) of `bytes` from `start` on. */
export function crc32(bytes: Uint8Array, start = 0): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let crc = -1;
  let at = start;
  for (; at + LANES <= bytes.length; at += LANES) {
    const low = view.getInt32(at, true) ^ crc;
    const high = view.getInt32(at + 4, true);
    crc =
      row(7, low & 0xff) ^
      row(6, (low >>> 8) & 0xff) ^
      row(5, (low >>> 16) & 0xff) ^
      row(4, low >>> 24) ^
      row(3, high & 0xff) ^
      row(2, (high >>> 8) & 0xff) ^
      row(1, (high >>> 16) & 0xff) ^
      row(0, high >>> 24);
  }
  for (; at < bytes.length; at++) {
    crc = row(0, (crc ^ (bytes[at] as number)) & 0xff) ^ (crc >>> 8);
  }
  return ~crc >>> 0;
}

function row(followedBy: number, byte: number): number {
  return table[followedBy * 256 + byte] as number;
}
