import { isIPv6 } from "node:net";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isAddr, isPrintable, isWellFormed, utf8Bytes } from "../../src/schema/text-rules.ts";

const units = fc.string({ unit: "binary", maxLength: 20 });
const halves = fc
  .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 12 })
  .map((codes) => String.fromCharCode(...codes));
const anyText = fc.oneof(units, halves);

describe("bytes of a text", () => {
  it("are those that Node would write", () => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect(utf8Bytes(text)).toBe(Buffer.byteLength(text, "utf8"));
      }),
      { numRuns: 2000 },
    );
  });
});

describe("a well-formed text", () => {
  it("is one that survives UTF-8", () => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect(isWellFormed(text)).toBe(Buffer.from(text, "utf8").toString("utf8") === text);
      }),
      { numRuns: 2000 },
    );
  });
});

describe("a printable text", () => {
  it.each(["a b", "~", "订单", "é", "😀", "ß", "\u00a0x"])("is %j", (text) => {
    expect(isPrintable(text)).toBe(true);
  });

  it.each([
    "\n",
    "a\u0000",
    "\u007f",
    "\u0085",
    "a\u200bb",
    "\u202e",
    "\u2028",
    "\u2029",
    "\ufeff",
    "\ud800",
    "\udc00a",
    "\u{e0001}",
  ])("is not %j", (text) => {
    expect(isPrintable(text)).toBe(false);
  });
});

describe("an addr", () => {
  it.each([
    "127.0.0.1:8080",
    "0.0.0.0:1",
    "255.255.255.255:65535",
    "localhost:80",
    "LOCALHOST:80",
    "a:1",
    "db_1.prod-2.example.com:5432",
    "1a.2b:9",
    "[::]:1",
    "[::1]:80",
    "[2001:DB8:0:0:8:800:200C:417A]:443",
    "[::ffff:10.0.0.1]:80",
    `${"a".repeat(63)}.b:1`,
    `${"a.".repeat(126)}a:65535`,
  ])("is %s", (text) => {
    expect(isAddr(text)).toBe(true);
  });

  it.each([
    "",
    ":80",
    "a",
    "a:",
    "a:0",
    "a:00080",
    "a:65536",
    "a:99999",
    "a:-1",
    "a:1 ",
    " a:1",
    "a b:1",
    "a:1\n",
    "256.0.0.1:80",
    "1.2.3:80",
    "1.2.3.4.5:80",
    "01.2.3.4:80",
    "12345:80",
    "-a:80",
    "a-:80",
    "a..b:80",
    ".a:80",
    "a.:80",
    "::1:80",
    "[::1]",
    "[::1]:0",
    "[:::1]:80",
    "[1::2::3]:80",
    "[1:2:3:4:5:6:7]:80",
    "[1:2:3:4:5:6:7:8:9]:80",
    "[::1%eth0]:80",
    "[12345::]:80",
    "[::256.0.0.1]:80",
    "[1.2.3.4]:80",
    "http://a:80",
    "a:80/path",
    "ſ:80",
    `${"a".repeat(64)}:1`,
    `${"a.".repeat(127)}a:65535`,
  ])("is not %j", (text) => {
    expect(isAddr(text)).toBe(false);
  });

  it("in brackets is an IPv6 address exactly when Node says so", () => {
    const group = fc.constantFrom("", "0", "1", "ffff", "abcd", "12345", "1.2.3.4", "g");
    const host = fc.oneof(
      fc.ipV6(),
      fc.array(group, { minLength: 1, maxLength: 9 }).map((groups) => groups.join(":")),
    );
    fc.assert(
      fc.property(host, (text) => {
        expect(isAddr(`[${text}]:80`)).toBe(isIPv6(text));
      }),
      { numRuns: 5000 },
    );
  });

  it("is judged in linear time", () => {
    const startedMs = performance.now();
    for (const text of [`${"a-".repeat(130)}`, `${"a.".repeat(129)}:`, `[${":".repeat(250)}]:1`]) {
      isAddr(text);
    }
    expect(performance.now() - startedMs).toBeLessThan(50);
  });
});
