import { describe, expect, test } from "vitest";
import { Contender, Resource } from "../../jepsen-lite/bare/contender.ts";
import type { Wish } from "../../jepsen-lite/bare/work.ts";
import { Prng } from "../../jepsen-lite/prng.ts";

const TURNS_MAX = 10_000;

function contender(): { own: Contender; resource: Resource; uses: [number, boolean][] } {
  const resource = new Resource();
  const uses: [number, boolean][] = [];
  const onUse = (token: number, isAccepted: boolean): void => void uses.push([token, isAccepted]);
  const own = new Contender({ prng: new Prng(3), resource, onUse });
  own.begun("s");
  return { own, resource, uses };
}

function wished(own: Contender): Wish {
  for (let turn = 0; turn < TURNS_MAX; turn += 1) {
    const wish = own.next();
    if (wish !== null) return wish;
  }
  throw new Error("it wants nothing");
}

/** Registered at 5, confirmed at 6. */
function holding(own: Contender): void {
  own.settled(wished(own), { type: "ok", revision: 5 });
  own.settled(wished(own), { type: "ok", revision: 6 });
}

describe("one that wants a lock", () => {
  test("confirms with the revision of its registration, which is its token", () => {
    const { own, uses } = contender();
    const register = wished(own);
    expect(register.type).toBe("register");
    own.settled(register, { type: "ok", revision: 5 });
    const confirm = wished(own);
    expect(confirm).toMatchObject({ type: "update", ifRevision: 5 });
    own.settled(confirm, { type: "ok", revision: 6 });
    expect(wished(own).type).toBe("deregister");
    expect(uses.length).toBeGreaterThan(0);
    expect(uses.every(([token, isAccepted]) => token === 5 && isAccepted)).toBe(true);
  });

  test("uses nothing where somebody has come between", () => {
    const { own, uses } = contender();
    own.settled(wished(own), { type: "ok", revision: 5 });
    own.settled(wished(own), { type: "refused", code: "TAKEN_OVER" });
    expect(wished(own).type).toBe("register");
    expect(uses).toEqual([]);
  });

  test("lets go where the resource knows a later holder, and not before", () => {
    const { own, resource, uses } = contender();
    holding(own);
    own.next();
    expect(resource.accepts(9)).toBe(true);
    own.next();
    expect(uses.slice(0, 2)).toEqual([
      [5, true],
      [5, false],
    ]);
    expect(wished(own).type).toBe("register");
  });

  test("knows of no lock in another session", () => {
    const { own, uses } = contender();
    holding(own);
    own.begun("t");
    expect(wished(own).type).toBe("register");
    expect(uses).toEqual([]);
  });
});
