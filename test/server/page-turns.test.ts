import { expect, it } from "vitest";
import type { Timers } from "../../src/env/env.ts";
import { HTTP_PAGES_WAITING_MAX } from "../../src/limits.ts";
import { PageTurns } from "../../src/server/page-turns.ts";
import { settle } from "../client/fake-time.ts";

/** Turns of the loop, taken by hand. */
class Loop implements Timers {
  readonly #due: (() => void)[] = [];

  after(): never {
    throw new Error("no page waits for a time");
  }

  every(): never {
    throw new Error("no page waits for a time");
  }

  soon(run: () => void): void {
    this.#due.push(run);
  }

  async turn(): Promise<void> {
    for (const run of this.#due.splice(0)) {
      run();
    }
    await settle();
  }
}

it("pages are made one a turn of the loop, in their order, and no more than fit wait", async () => {
  const loop = new Loop();
  const turns = new PageTurns(loop);
  const made: number[] = [];
  const refused: number[] = [];
  for (let page = 0; page < 2 * HTTP_PAGES_WAITING_MAX; page += 1) {
    void turns.next().then((isTurn) => (isTurn ? made : refused).push(page));
  }
  await settle();
  expect([made.length, refused.length]).toEqual([0, HTTP_PAGES_WAITING_MAX]);
  await loop.turn();
  expect(made).toEqual([0]);
  await loop.turn();
  expect(made).toEqual([0, 1]);
  void turns.next().then((isTurn) => made.push(isTurn ? 1_000 : -1));
  for (let turn = 0; turn < HTTP_PAGES_WAITING_MAX; turn += 1) {
    await loop.turn();
  }
  expect(made.at(-1)).toBe(1_000);
  expect(made).toHaveLength(HTTP_PAGES_WAITING_MAX + 1);
});
