import { describe, expect, test } from "vitest";
import { Drawing } from "../../jepsen-lite/bare/drawing.ts";
import { contentOf } from "../../jepsen-lite/bare/messages.ts";
import type { Wish } from "../../jepsen-lite/bare/work.ts";
import { Prng } from "../../jepsen-lite/prng.ts";

/** Each is acknowledged at the next revision. */
function drawn(count: number): Wish[] {
  const drawing = new Drawing(new Prng(1), "c1", ["a", "b"]);
  drawing.begun("s");
  return Array.from({ length: count }, (_, i) => {
    const wish = drawing.next();
    drawing.settled(wish, { type: "ok", revision: i + 1 });
    return wish;
  });
}

describe("what a provider wants", () => {
  const wishes = drawn(3_000);

  test("is of every kind", () => {
    const compared = wishes.flatMap((wish) => (wish.type === "update" ? [wish.ifRevision] : []));
    expect(new Set(wishes.map(({ type }) => type)).size).toBe(4);
    expect(compared).toContain(null);
    expect(compared).toContain(0);
    expect(new Set(compared).size).toBeGreaterThan(100);
  });

  test("has a content that no other has", () => {
    const contents = wishes.flatMap((wish) => {
      if (wish.type === "register") return wish.instances.map(contentOf);
      return wish.type === "update" ? [contentOf(wish.instance)] : [];
    });
    expect(new Set(contents).size).toBe(contents.length);
  });
});
