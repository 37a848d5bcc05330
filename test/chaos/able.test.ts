import { describe, expect, test } from "vitest";
import { ableWith } from "../../jepsen-lite/chaos/able.ts";
import { NEMESES } from "../../jepsen-lite/chaos/plan.ts";
import {
  CAPABILITIES,
  type Capabilities,
  type Capability,
  linesOf,
} from "../../jepsen-lite/faults/capabilities.ts";

function without(...absent: readonly Capability[]): Capabilities {
  return new Map(
    CAPABILITIES.map((name) => [name, absent.includes(name) ? `no ${name} here` : null]),
  );
}

describe("what a machine lacks", () => {
  test("skips the nemeses that need it, each with the reason, and no other", () => {
    const { able, skipped } = ableWith(NEMESES, without("clocks", "strace"));
    expect(Object.fromEntries(skipped)).toEqual({
      "slow-disk": "no strace here",
      "disk-error": "no strace here",
      "wall-jump": "no clocks here",
      "wall-strobe": "no clocks here",
    });
    expect([...able.map(({ name }) => name), ...skipped.keys()].sort()).toEqual(
      NEMESES.map(({ name }) => name).sort(),
    );
  });

  test("skips nothing where nothing is missing", () => {
    expect(ableWith(NEMESES, without())).toEqual({ able: NEMESES, skipped: new Map() });
  });

  test("is said in a line for each, there or missing", () => {
    const lines = linesOf(without("nftables"));
    expect(lines.length).toBe(CAPABILITIES.length);
    expect(lines.filter((line) => line.startsWith("there: ")).length).toBe(CAPABILITIES.length - 1);
    expect(lines.at(-1)).toBe("missing: no nftables here");
  });
});
