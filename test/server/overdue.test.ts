import { describe, expect, it } from "vitest";
import { Overdue } from "../../src/server/overdue.ts";
import { Loop } from "./loop.ts";

function world() {
  const loop = new Loop();
  const told: number[] = [];
  const overdue = new Overdue(loop, loop, 50, () => told.push(loop.nowMs));
  return { loop, told, overdue };
}

describe("an answer", () => {
  it("is overdue when its time is over and the sockets were looked at once more", () => {
    const { loop, told, overdue } = world();
    overdue.start();
    loop.fireDue(49);
    loop.turns(3);
    expect(told).toEqual([]);
    loop.fireDue(1);
    loop.turn();
    expect(told).toEqual([]);
    loop.turn();
    expect(told).toEqual([1_050]);
  });

  it("that lay in the socket when the timer fired is not", () => {
    const { loop, told, overdue } = world();
    overdue.start();
    loop.fireDue(50);
    loop.turn();
    overdue.stop();
    loop.turns(3);
    expect(told).toEqual([]);
  });

  it("gets its time again when this process stood still, which could not have heard it", () => {
    const { loop, told, overdue } = world();
    overdue.start();
    loop.fireDue(300);
    loop.turns(3);
    expect(told).toEqual([]);
    loop.fireDue(50);
    loop.turns(3);
    expect(told).toEqual([1_350]);
  });

  it("gets its time again when it is waited for anew", () => {
    const { loop, told, overdue } = world();
    overdue.start();
    loop.fireDue(30);
    overdue.start();
    loop.fireDue(30);
    loop.turns(3);
    expect(told).toEqual([]);
    loop.fireDue(20);
    loop.turns(3);
    expect(told).toEqual([1_080]);
  });
});
