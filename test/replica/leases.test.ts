import { beforeEach, describe, expect, test } from "vitest";
import {
  EXPIRIES_PER_COMMAND_MAX,
  EXPIRIES_PER_PACE_MAX,
  EXPIRY_PACE_MS,
  TICK_MS,
} from "../../src/limits.ts";
import type { EndReason } from "../../src/registry/command.ts";
import type { SessionView } from "../../src/registry/sessions.ts";
import { Leases } from "../../src/replica/leases.ts";
import type { Origin } from "../../src/replica/peer-messages.ts";

const TTL_MS = 3_000;
const GRACE_MS = 500;
/** The most that buckets and the lease clock's steps add to a deadline. */
const LATE_MS_MAX = 4 * TICK_MS;
const N2: Origin = { from: "n2", start: 7 };
const N3: Origin = { from: "n3", start: 8 };

function view(id: string, rest: Partial<SessionView> = {}): SessionView {
  return {
    id,
    secretHash: "",
    ttlMs: TTL_MS,
    graceMs: GRACE_MS,
    client: "test",
    order: 1,
    openedRevision: 0,
    openedAtMs: 0,
    lastSeq: 0,
    floor: 1,
    owned: 0,
    ownedRevision: 0,
    ending: null,
    reply: () => null,
    ...rest,
  };
}

/** A lease table with a clock and rounds that succeed at once, unless `isCut`. */
class Table {
  readonly leases: Leases;
  readonly expired: { session: string; reason: EndReason; atMs: number }[] = [];
  nowMs = 5_000_000;
  round = 0;
  confirmedRound = 0;
  isCut = false;

  constructor(...inherited: readonly SessionView[]) {
    this.leases = new Leases(inherited, this.nowMs);
  }

  /** One tick that comes after `forMs`. */
  tick(forMs = TICK_MS): void {
    this.nowMs += forMs;
    this.leases.tick(this.nowMs, this.round);
    this.collect();
    this.round += 1;
    if (!this.isCut) this.confirmedRound = this.round;
    this.collect();
  }

  collect(): void {
    for (const lease of this.leases.takeExpired(this.confirmedRound)) {
      this.expired.push({ ...lease, atMs: this.nowMs });
    }
  }

  pass(forMs: number): void {
    for (let ms = 0; ms < forMs; ms += TICK_MS) this.tick();
  }

  /** Ticks until `session` has expired; how long that took. */
  lifeOf(session: string): number {
    const startMs = this.nowMs;
    for (let ticks = 0; ticks < 1_000; ticks += 1) {
      const found = this.expired.find((expiry) => expiry.session === session);
      if (found !== undefined) return found.atMs - startMs;
      this.tick();
    }
    throw new Error(`${session} lives for ever`);
  }
}

let table: Table;

beforeEach(() => {
  table = new Table();
  table.pass(1_000);
});

describe("a lease", () => {
  test("ends a TTL after its opening, hardly later and never earlier", () => {
    table.leases.opened(view("s1"));
    const lifeMs = table.lifeOf("s1");
    expect(lifeMs).toBeGreaterThanOrEqual(TTL_MS);
    expect(lifeMs).toBeLessThanOrEqual(TTL_MS + LATE_MS_MAX);
    expect(table.expired).toMatchObject([{ session: "s1", reason: "ttl" }]);
  });

  test("lives for a whole TTL from a touch, wherever between two ticks the touch comes", () => {
    // The tick behind the touch is late: three ticks lie between it and the one before. The clock
    // of the table stands at any place in a bucket.
    for (let phaseMs = 0; phaseMs < 2 * TICK_MS; phaseMs += 1) {
      const late = new Table();
      late.tick(phaseMs);
      late.leases.opened(view("s1"));
      late.nowMs += 3 * TICK_MS - 1;
      expect(late.leases.touch({ session: "s1", attach: 1 }, N2)).toEqual({ type: "taken" });
      const touchedMs = late.nowMs;
      while (late.expired.length === 0) late.tick(1);
      const lifeMs = (late.expired[0]?.atMs ?? 0) - touchedMs;
      expect(lifeMs, `from phase ${phaseMs}`).toBeGreaterThanOrEqual(TTL_MS);
      expect(lifeMs).toBeLessThanOrEqual(TTL_MS + LATE_MS_MAX);
    }
  });

  test("that is kept alive stays, and costs one place in the table", () => {
    table.leases.opened(view("s1"));
    for (let beats = 0; beats < 50; beats += 1) {
      table.pass(1_000);
      expect(table.leases.touch({ session: "s1", attach: 1 }, N2)).toEqual({ type: "taken" });
    }
    expect(table.expired).toEqual([]);
    expect(table.leases.count).toBe(1);
  });

  test("of a session that has ended is gone, and takes no touch", () => {
    table.leases.opened(view("s1"));
    table.leases.ended("s1");
    expect(table.leases.touch({ session: "s1", attach: 1 }, N2)).toEqual({ type: "refused" });
    table.pass(2 * TTL_MS);
    expect(table.expired).toEqual([]);
  });

  test("is not made of a session that was ending when the leader began", () => {
    const inherited = new Table(view("s1", { ending: "ttl" }), view("s2"));
    expect(inherited.leases.count).toBe(1);
  });
});

describe("an expiry", () => {
  test("needs a round that began after the deadline had passed, and has succeeded", () => {
    table.leases.opened(view("s1"));
    table.pass(TTL_MS - 500);
    table.isCut = true;
    table.pass(2_000);
    expect(table.expired).toEqual([]);
    table.isCut = false;
    table.tick();
    expect(table.expired).toHaveLength(1);
  });

  test("is not proved by a round that was out already when the deadline had passed", () => {
    const { leases } = table;
    leases.opened(view("s1"));
    for (let ms = 0; ms < TTL_MS + LATE_MS_MAX; ms += TICK_MS) {
      table.nowMs += TICK_MS;
      leases.tick(table.nowMs, 77);
    }
    expect(leases.takeExpired(77)).toEqual([]);
    expect(leases.takeExpired(78)).toEqual([{ session: "s1", reason: "ttl" }]);
  });

  test("is not proved by the round that proves an earlier one", () => {
    const { leases } = table;
    const tickFor = (forMs: number, round: number): void => {
      for (let ms = 0; ms < forMs; ms += TICK_MS) {
        table.nowMs += TICK_MS;
        leases.tick(table.nowMs, round);
      }
    };
    leases.opened(view("s1"));
    leases.opened(view("s2", { ttlMs: TTL_MS + 1_000 }));
    tickFor(TTL_MS + LATE_MS_MAX, 77);
    tickFor(1_000, 78);
    expect(leases.takeExpired(78)).toEqual([{ session: "s1", reason: "ttl" }]);
    expect(leases.takeExpired(79)).toEqual([{ session: "s2", reason: "ttl" }]);
  });

  test("is called off by a touch that comes while its round is out", () => {
    table.leases.opened(view("s1"));
    table.pass(TTL_MS - 500);
    table.isCut = true;
    table.pass(1_000);
    expect(table.leases.touch({ session: "s1", attach: 1 }, N2)).toEqual({ type: "taken" });
    table.isCut = false;
    const lifeMs = table.lifeOf("s1");
    expect(lifeMs).toBeGreaterThanOrEqual(TTL_MS);
  });

  test("that is proposed takes no touch back, nor one of a higher attach", () => {
    table.leases.opened(view("s1"));
    table.lifeOf("s1");
    expect(table.leases.touch({ session: "s1", attach: 9 }, N2)).toEqual({ type: "refused" });
    table.pass(2 * TTL_MS);
    expect(table.expired).toHaveLength(1);
  });

  test("that is proposed is not called off by an opening that was before it in the log", () => {
    // The client asked again, and its opening is applied while the entry behind it, with the end,
    // is still on its way: who were told now that the session lives would be told wrongly.
    table.leases.opened(view("s1"));
    table.lifeOf("s1");
    table.leases.openedAgain("s1");
    expect(table.leases.touch({ session: "s1", attach: 1 }, N2)).toEqual({ type: "refused" });
    table.pass(2 * TTL_MS);
    expect(table.expired).toHaveLength(1);
  });

  test("is paced: so many a command, so many a second", () => {
    const count = EXPIRIES_PER_PACE_MAX + 100;
    for (let at = 0; at < count; at += 1) table.leases.opened(view(`s${at}`));
    table.pass(TTL_MS);
    table.isCut = true;
    table.pass(EXPIRY_PACE_MS);
    const commands: number[] = [];
    for (let taken = -1; taken !== 0; ) {
      taken = table.leases.takeExpired(table.round).length;
      commands.push(taken);
    }
    expect(Math.max(...commands)).toBe(EXPIRIES_PER_COMMAND_MAX);
    expect(commands.reduce((sum, size) => sum + size)).toBe(EXPIRIES_PER_PACE_MAX);
    table.isCut = false;
    table.pass(EXPIRY_PACE_MS + TICK_MS);
    expect(table.expired).toHaveLength(100);
  });

  test("is paced over the ticks of a second, too", () => {
    for (let at = 0; at < 3 * EXPIRIES_PER_PACE_MAX; at += 1) table.leases.opened(view(`s${at}`));
    table.pass(TTL_MS - 500);
    table.pass(5 * EXPIRY_PACE_MS);
    const { expired } = table;
    expect(expired).toHaveLength(3 * EXPIRIES_PER_PACE_MAX);
    for (const [at, { atMs }] of expired.entries()) {
      const next = expired[at + 2 * EXPIRIES_PER_PACE_MAX];
      if (next !== undefined) expect(next.atMs - atMs).toBeGreaterThanOrEqual(EXPIRY_PACE_MS);
    }
  });

  test("comes later by as long as the leader stalled, however long that was", () => {
    table.leases.opened(view("s1"));
    table.pass(1_000);
    table.tick(60_000);
    const lifeMs = table.lifeOf("s1");
    expect(lifeMs).toBeGreaterThanOrEqual(TTL_MS - 1_000 - LATE_MS_MAX);
    expect(table.expired[0]?.atMs).toBeGreaterThanOrEqual(5_000_000 + 60_000 + TTL_MS);
  });
});

describe("the connection that counts", () => {
  const superseded = { type: "superseded", attach: 5 } as const;

  beforeEach(() => {
    table.leases.opened(view("s1"));
    expect(table.leases.touch({ session: "s1", attach: 5 }, N2)).toEqual({ type: "taken" });
  });

  test("is that of the highest number: a touch of a lower one hears which that is", () => {
    expect(table.leases.touch({ session: "s1", attach: 4 }, N3)).toEqual(superseded);
    expect(table.leases.touch({ session: "s1", attach: 5 }, N2)).toEqual({ type: "taken" });
    expect(table.leases.touch({ session: "s1", attach: 6 }, N3)).toEqual({ type: "taken" });
    expect(table.leases.touch({ session: "s1", attach: 5 }, N2)).toEqual({
      ...{ type: "superseded", attach: 6 },
    });
  });

  test("is the first of two with one number, be the other on another node or on its next start", () => {
    const restarted = { ...N2, start: 9 };
    for (const origin of [N3, restarted]) {
      expect(table.leases.touch({ session: "s1", attach: 5 }, origin)).toEqual(superseded);
      table.leases.break({ session: "s1", attach: 5 }, origin);
    }
    expect(table.lifeOf("s1")).toBeGreaterThanOrEqual(TTL_MS);
    expect(table.expired[0]?.reason).toBe("ttl");
  });

  test("may be one of which only the end was heard: its number is taken", () => {
    table.leases.break({ session: "s1", attach: 6 }, N3);
    expect(table.leases.touch({ session: "s1", attach: 6 }, N2)).toEqual({
      ...{ type: "superseded", attach: 6 },
    });
    expect(table.lifeOf("s1")).toBeLessThanOrEqual(GRACE_MS + LATE_MS_MAX);
  });

  test("is told to nobody once the end of the session is proposed", () => {
    table.lifeOf("s1");
    expect(table.leases.touch({ session: "s1", attach: 4 }, N3)).toEqual({ type: "refused" });
  });

  test("may bear the number 0", () => {
    table.leases.opened(view("s0"));
    expect(table.leases.touch({ session: "s0", attach: 0 }, N3)).toEqual({ type: "taken" });
    expect(table.leases.touch({ session: "s0", attach: 0 }, N2)).toEqual({
      ...{ type: "superseded", attach: 0 },
    });
  });
});

describe("a break", () => {
  test("ends the session after its grace", () => {
    table.leases.opened(view("s1"));
    table.leases.touch({ session: "s1", attach: 1 }, N2);
    table.leases.break({ session: "s1", attach: 1 }, N2);
    const lifeMs = table.lifeOf("s1");
    expect(lifeMs).toBeGreaterThanOrEqual(GRACE_MS);
    expect(lifeMs).toBeLessThanOrEqual(GRACE_MS + LATE_MS_MAX);
    expect(table.expired).toMatchObject([{ session: "s1", reason: "grace" }]);
  });

  test("that is told again and again ends it no later", () => {
    table.leases.opened(view("s1"));
    table.leases.break({ session: "s1", attach: 1 }, N2);
    let lifeMs = 0;
    for (; table.expired.length === 0; lifeMs += TICK_MS) {
      table.tick();
      table.leases.break({ session: "s1", attach: 1 }, N2);
    }
    expect(lifeMs).toBeLessThanOrEqual(GRACE_MS + LATE_MS_MAX);
  });

  test("of an older connection than the latest one says nothing", () => {
    table.leases.opened(view("s1"));
    table.leases.touch({ session: "s1", attach: 2 }, N2);
    table.leases.break({ session: "s1", attach: 1 }, N2);
    expect(table.lifeOf("s1")).toBeGreaterThanOrEqual(TTL_MS);
    expect(table.expired[0]?.reason).toBe("ttl");
  });

  test("is undone by a touch of the next connection", () => {
    table.leases.opened(view("s1"));
    table.leases.break({ session: "s1", attach: 1 }, N2);
    table.pass(GRACE_MS - 200);
    expect(table.leases.touch({ session: "s1", attach: 2 }, N2)).toEqual({ type: "taken" });
    expect(table.lifeOf("s1")).toBeGreaterThanOrEqual(TTL_MS);
    expect(table.expired[0]?.reason).toBe("ttl");
  });

  test("never lengthens a lease, where the TTL is over before the grace", () => {
    table.leases.opened(view("s1", { graceMs: TTL_MS }));
    table.pass(1_000);
    table.leases.break({ session: "s1", attach: 1 }, N2);
    expect(table.lifeOf("s1")).toBeLessThanOrEqual(TTL_MS - 1_000 + LATE_MS_MAX);
  });

  test("counts for nothing within a TTL of the start of a leader that inherits the session", () => {
    const inherited = new Table(view("s1"));
    inherited.pass(500);
    inherited.leases.touch({ session: "s1", attach: 4 }, N2);
    inherited.leases.break({ session: "s1", attach: 4 }, N2);
    const lifeMs = inherited.lifeOf("s1");
    expect(lifeMs).toBeGreaterThanOrEqual(TTL_MS - 500);
    expect(lifeMs).toBeLessThanOrEqual(TTL_MS - 500 + LATE_MS_MAX);
    const later = new Table(view("s1"));
    later.pass(TTL_MS - 500);
    later.leases.touch({ session: "s1", attach: 4 }, N2);
    later.pass(1_000);
    later.leases.break({ session: "s1", attach: 4 }, N2);
    expect(later.lifeOf("s1")).toBeLessThanOrEqual(GRACE_MS + LATE_MS_MAX);
  });

  test("of the first connection counts for nothing once the session was opened again", () => {
    // n1 took the opening and answered to a dead link; the client opened again through n2, and
    // counts its TTL from there. n1's word of the reset comes before n2's of the new connection.
    table.leases.opened(view("s1"));
    table.leases.touch({ session: "s1", attach: 1 }, N2);
    table.pass(TTL_MS - 500);
    table.leases.openedAgain("s1");
    table.leases.break({ session: "s1", attach: 1 }, N2);
    expect(table.lifeOf("s1")).toBeGreaterThanOrEqual(TTL_MS);
  });
});
