import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { RegistryBuilder } from "../../src/registry/builder.ts";
import { beginLineage } from "../../src/registry/lineage.ts";
import { Registry } from "../../src/registry/registry.ts";
import { key, Log, spec } from "./commands.ts";
import { history, limits, play } from "./histories.ts";
import { Model } from "./model.ts";

const REVISIONS = 2 ** 32;
const LARGE = { removalsPerCommandMax: 5, tombstonesMax: 1_000, unansweredPerSessionMax: 1_000 };

function copyOf(registry: Registry): Registry {
  const builder = new RegistryBuilder();
  const view = registry.freeze();
  for (const item of view.items()) builder.add(item);
  view.release();
  return builder.finish(view.digest);
}

function instancesOf(registry: Registry): readonly object[] {
  const view = registry.freeze();
  const items = [...view.items()];
  view.release();
  return items.flatMap((item) => (item.type === "instance" ? [item.instance] : []));
}

describe("the first state of a new lineage", () => {
  test("has the instances of before and a higher revision, and its invariants hold", () => {
    fc.assert(
      fc.property(limits, history, (small, steps) => {
        const registry = new Registry(small);
        play(steps, new Model(small), ({ context, command }) => {
          registry.apply(context, command);
        });
        const before = { revision: registry.revision, instances: instancesOf(registry) };
        const start = { index: 10_000, term: 100, revisions: REVISIONS, areSessionsKept: true };
        beginLineage(registry, start);
        registry.checkInvariants();
        expect(registry.revision).toBe(before.revision + REVISIONS);
        expect(instancesOf(registry)).toEqual(before.instances);
        expect(copyOf(registry).digest()).toBe(registry.digest());
      }),
      { numRuns: 100 },
    );
  });

  test("without its sessions has what is persistent, and knows that they have ended", () => {
    fc.assert(
      fc.property(history, (steps) => {
        const registry = new Registry(LARGE);
        play(steps, new Model(LARGE), ({ context, command }) => {
          registry.apply(context, command);
        });
        const sessions = [...registry.sessions()].map(({ id }) => id);
        const persistent = instancesOf(registry).filter(
          (instance) => "session" in instance && instance.session === null,
        );
        const start = { index: 10_000, term: 100, revisions: REVISIONS, areSessionsKept: false };
        beginLineage(registry, start);
        registry.checkInvariants();
        expect(instancesOf(registry)).toEqual(persistent);
        expect([...registry.sessions()]).toEqual([]);
        for (const session of sessions) {
          expect(registry.ended(session)).not.toBeNull();
        }
      }),
      { numRuns: 100 },
    );
  });

  test("takes number 1 of a session that had got further, and forgets what it had answered", () => {
    const registry = new Registry();
    const log = new Log(registry);
    log.open("a");
    log.register("a", spec("h:1"));
    log.register("a", spec("h:2"));
    const kept = registry.session("a")?.lastSeq;
    beginLineage(registry, { index: 3, term: 1, revisions: REVISIONS, areSessionsKept: true });
    expect([kept, registry.session("a")?.lastSeq]).toEqual([2, 0]);
    const command = { type: "deregister", session: "a", seq: 1, floor: 1, keys: [key("h:1")] };
    const { outcome } = registry.apply({ index: 4, term: 2, atMs: 1 }, command as never);
    expect(outcome).toMatchObject({
      type: "applied",
      reply: { ok: true, revision: REVISIONS + 3 },
    });
  });
});
