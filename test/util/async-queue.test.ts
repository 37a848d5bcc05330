import { expect, test } from "vitest";
import { AsyncQueue } from "../../src/util/async-queue.ts";
import { handled } from "../../src/util/deferred.ts";

interface Item {
  readonly number: number;
}

const item = (number: number): Item => ({ number });

test("values come in order, those that wait and those that are waited for", async () => {
  const queue = new AsyncQueue<Item>(10);
  queue.push(item(1));
  const first = await queue.next();
  const second = queue.next();
  const third = queue.next();
  queue.push(item(2));
  queue.push(item(3));
  expect([first, await second, await third].map(({ value }) => value)).toEqual([1, 2, 3].map(item));
});

test("beyond its capacity the oldest makes room, and is counted", async () => {
  const queue = new AsyncQueue<Item>(2);
  for (const number of [1, 2, 3, 4]) {
    queue.push(item(number));
  }
  expect(queue.dropped).toBe(2);
  queue.end();
  const seen: Item[] = [];
  for await (const value of queue) {
    seen.push(value);
  }
  expect(seen).toEqual([3, 4].map(item));
});

test("ending lets waiting readers go, and what is pushed afterwards is lost", async () => {
  let ends = 0;
  const queue = new AsyncQueue<Item>(2, () => {
    ends += 1;
  });
  const reader = queue.next();
  queue.end();
  queue.end();
  queue.push(item(1));
  expect((await reader).done).toBe(true);
  expect((await queue.next()).done).toBe(true);
  expect(ends).toBe(1);
});

test("break ends it once and drops what waits", async () => {
  let ends = 0;
  const queue = new AsyncQueue<Item>(5, () => {
    ends += 1;
  });
  queue.push(item(1));
  queue.push(item(2));
  for await (const value of queue) {
    expect(value).toEqual(item(1));
    break;
  }
  expect(ends).toBe(1);
  expect((await queue.next()).done).toBe(true);
});

test("a handled promise still rejects for those who wait for it", async () => {
  const promise = handled(Promise.reject(new Error("no")));
  await new Promise((resolve) => setImmediate(resolve));
  await expect(promise).rejects.toThrow("no");
});
