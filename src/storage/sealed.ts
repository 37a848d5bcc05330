import { crc32 } from "node:zlib";

/**
 * A small record as one line of text that a person can read: `CRC32 JSON\n`. The checksum covers
 * the record's name too, so that a file that stands where another belongs is unreadable, not
 * misread. What follows the line is padding.
 */
export function seal(name: string, record: object): Buffer {
  const body = JSON.stringify(record);
  return Buffer.from(`${checksum(name, body)} ${body}\n`, "utf8");
}

/** The record, or null for whatever is not byte for byte what `seal` made. */
export function unseal(name: string, bytes: Uint8Array): unknown {
  const end = bytes.indexOf(0x0a);
  if (end === -1) return null;
  const line = Buffer.from(bytes.buffer, bytes.byteOffset, end).toString("utf8");
  const body = line.slice(CHECKSUM_DIGITS + 1);
  if (line.slice(0, CHECKSUM_DIGITS + 1) !== `${checksum(name, body)} `) return null;
  try {
    return JSON.parse(body);
  } catch {
    return null;
  }
}

const CHECKSUM_DIGITS = 8;

function checksum(name: string, body: string): string {
  return crc32(`${name}\n${body}`).toString(16).padStart(CHECKSUM_DIGITS, "0");
}

/** A field of a record that was read back, or null when it is not what it should be. */
export function textField(record: unknown, field: string): string | null {
  const value = fieldOf(record, field);
  return typeof value === "string" ? value : null;
}

export function integerField(record: unknown, field: string): number | null {
  const value = fieldOf(record, field);
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : null;
}

export function fieldOf(record: unknown, field: string): unknown {
  if (typeof record !== "object" || record === null) return undefined;
  return (record as Readonly<Record<string, unknown>>)[field];
}
