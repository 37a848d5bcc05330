import { ADDR_BYTES_MAX } from "../limits.ts";

/** Bytes of `text` in UTF-8; a lone surrogate counts as the three of its replacement. */
export function utf8Bytes(text: string): number {
  let bytes = text.length;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code < 0x80) {
      continue;
    }
    bytes += 1;
    if (code >= 0x800) {
      bytes += 1;
      if (code >= 0xd800 && code < 0xdc00) {
        const next = text.charCodeAt(index + 1);
        if (next >= 0xdc00 && next < 0xe000) {
          index += 1;
        }
      }
    }
  }
  return bytes;
}

const INVISIBLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;
const LONE_SURROGATE = /\p{Cs}/u;

/**
 * No control and format characters, no line or paragraph separators, no lone surrogates: two
 * names that look alike are alike, and the bytes of a name are the same on every node.
 */
export function isPrintable(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code < 0x20 || code > 0x7e) {
      return !INVISIBLE.test(text);
    }
  }
  return true;
}

/** Whether it has an encoding in UTF-8 at all. */
export function isWellFormed(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    if (text.charCodeAt(index) >= 0xd800) {
      return !LONE_SURROGATE.test(text);
    }
  }
  return true;
}

const OCTET = "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
const PORT = ":(?:6553[0-5]|655[0-2]\\d|65[0-4]\\d\\d|6[0-4]\\d{3}|[1-5]\\d{4}|[1-9]\\d{0,3})$";
const IPV4_ADDR = new RegExp(`^${OCTET}(?:\\.${OCTET}){3}${PORT}`);
const NAME_ADDR = new RegExp(
  `^[a-z\\d_](?:[\\w-]{0,61}[a-z\\d_])?(?:\\.[a-z\\d_](?:[\\w-]{0,61}[a-z\\d_])?)*${PORT}`,
  "i",
);
const BRACKET_ADDR = new RegExp(`^\\[([\\da-f:.]{2,45})\\]${PORT}`, "i");
const LAST_LABEL_IS_A_NUMBER = /(?:^|\.)\d+:\d+$/;
const IPV4 = new RegExp(`^${OCTET}(?:\\.${OCTET}){3}$`);

/**
 * `host:port`: an IPv4 address, a host name (labels of 1 to 63 letters, digits, `-` and `_`, 253
 * bytes in all, the last label no number) or an IPv6 address in brackets; port 1 to 65535, without
 * leading zeros.
 */
export function isAddr(text: string): boolean {
  if (text.length > ADDR_BYTES_MAX) {
    return false;
  }
  if (IPV4_ADDR.test(text)) {
    return true;
  }
  const bracketed = BRACKET_ADDR.exec(text);
  if (bracketed !== null) {
    return isIpv6(bracketed[1] as string);
  }
  return NAME_ADDR.test(text) && text.lastIndexOf(":") <= 253 && !LAST_LABEL_IS_A_NUMBER.test(text);
}

const IPV6_GROUP = /^[\da-f]{1,4}$/i;

/** RFC 4291 section 2.2: eight groups, one run of them as `::`, the last two as IPv4. */
function isIpv6(text: string): boolean {
  const halves = text.split("::");
  if (halves.length > 2) {
    return false;
  }
  let groups = 0;
  for (const [place, half] of halves.entries()) {
    if (half === "") {
      continue;
    }
    const parts = half.split(":");
    for (const [index, part] of parts.entries()) {
      const isLast = place === halves.length - 1 && index === parts.length - 1;
      if (isLast && part.includes(".")) {
        if (!IPV4.test(part)) {
          return false;
        }
        groups += 2;
      } else if (IPV6_GROUP.test(part)) {
        groups += 1;
      } else {
        return false;
      }
    }
  }
  return halves.length === 2 ? groups <= 7 && text !== "" : groups === 8;
}
