import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { RegistryBuilder } from "../../src/registry/builder.ts";
import type { FrozenRegistry } from "../../src/registry/freeze.ts";
import { Registry } from "../../src/registry/registry.ts";
import type { RegistryItem } from "../../src/registry/snapshot.ts";
import type { RegistryLimits } from "../../src/registry/state.ts";
import { key, Log, spec } from "./commands.ts";
import { history, limits, play } from "./histories.ts";
import { Model } from "./model.ts";

function restore(
  items: Iterable<RegistryItem>,
  digest: string,
  small: Partial<RegistryLimits> = {},
): Registry {
  const builder = new RegistryBuilder(small);
  for (const item of items) builder.add(item);
  return builder.finish(digest);
}

function restored(frozen: FrozenRegistry, small: Partial<RegistryLimits> = {}): Registry {
  return restore(frozen.items(), frozen.digest, small);
}

function many(count: number): Log {
  const log = new Log(new Registry());
  log.open("a");
  for (let at = 0; at < count; at++) {
    log.register("a", spec(`h:${at}`));
  }
  return log;
}

describe("a snapshot of the registry", () => {
  test("what is restored is the state that was frozen, whatever is applied while it is read", () => {
    const seen = { during: 0, changes: 0, later: 0, items: new Set<string>() };
    fc.assert(
      fc.property(
        limits,
        history,
        fc.nat(60),
        fc.constantFrom(0, 0, 1, 1, 2, 5),
        (small, steps, at, itemsACommand) => {
          const registry = new Registry(small);
          const model = new Model(small);
          let frozen: FrozenRegistry | null = null;
          let twin: Registry | null = null;
          let reading: Iterator<RegistryItem, void> | null = null;
          const items: RegistryItem[] = [];
          const later: Parameters<Registry["apply"]>[] = [];
          const read = (count: number): void => {
            for (let left = count; left > 0 && reading !== null; left--) {
              const next = reading.next();
              if (next.done === true) reading = null;
              else items.push(next.value);
            }
          };
          let place = 0;
          play(steps, model, ({ context, command }) => {
            if (place === at) {
              frozen = registry.freeze();
              reading = frozen.items();
              twin = new Registry(small);
            }
            place += 1;
            const { changes } = registry.apply(context, command);
            if (frozen !== null) {
              later.push([context, command]);
              seen.during += reading === null ? 0 : 1;
              seen.changes += reading === null ? 0 : changes.length;
              read(itemsACommand);
            }
          });
          if (frozen === null || twin === null) return;
          read(Number.POSITIVE_INFINITY);
          for (const { type } of items) seen.items.add(type);
          const view: FrozenRegistry = frozen;
          const copy = restore(items, view.digest, small);
          expect(copy.digest()).toBe(view.digest);
          copy.checkInvariants();
          for (const [context, command] of later) copy.apply(context, command);
          expect(copy.digest()).toBe(registry.digest());
          copy.checkInvariants();
          seen.later += later.length;
        },
      ),
      { numRuns: 300 },
    );
    expect([...seen.items].sort()).toEqual(["instance", "session", "tombstone", "totals"]);
    expect(Math.min(seen.during, seen.changes, seen.later)).toBeGreaterThan(200);
  }, 60_000);

  test("a restored registry answers every later command as the original does, removals in the same pieces", () => {
    let pieces = 0;
    fc.assert(
      fc.property(limits, history, fc.nat(60), (small, steps, at) => {
        const registry = new Registry(small);
        let copy: Registry | null = null;
        let place = 0;
        play(steps, new Model(small), ({ context, command }) => {
          if (place === at) {
            const frozen = registry.freeze();
            copy = restored(frozen, small);
            frozen.release();
          }
          place += 1;
          const result = registry.apply(context, command);
          if (copy !== null) {
            const twin: Registry = copy;
            expect(twin.apply(context, command)).toStrictEqual(result);
            expect(twin.digest()).toBe(registry.digest());
            pieces += command.type === "reapSession" ? result.changes.length : 0;
          }
        });
      }),
      { numRuns: 200 },
    );
    expect(pieces).toBeGreaterThan(20);
  }, 60_000);

  test("a persistent instance that comes after the freeze is not in it, one that goes is", () => {
    const log = new Log(new Registry());
    const persistent = { isPersistent: true };
    log.open("a");
    log.register("a", spec("h:1", persistent));
    log.register("a", spec("h:2", { application: "till", ...persistent }));
    const view = log.registry.freeze();
    log.register("a", spec("h:3", { application: "bank", ...persistent }));
    log.deregister("a", key("h:2", "till"));
    const copy = restored(view);
    expect(copy.applications("default")).toEqual(["shop", "till"]);
    expect(log.registry.applications("default")).toEqual(["bank", "shop"]);
  });

  test("a second freeze waits until the first is released", () => {
    const registry = new Registry();
    const first = registry.freeze();
    expect(() => registry.freeze()).toThrow(/frozen once at a time/);
    first.release();
    const second = registry.freeze();
    first.release();
    expect(() => registry.freeze()).toThrow(/frozen once at a time/);
    second.release();
  });

  test("a view that was given up is not told of changes any more", () => {
    const log = many(3);
    const view = log.registry.freeze();
    view.release();
    log.register("a", spec("h:9"));
    const next = log.registry.freeze();
    expect(restored(next).digest()).toBe(log.registry.digest());
  });

  test("what does not come to the digest that was frozen is refused", () => {
    const frozen = many(3).registry.freeze();
    const items = [...frozen.items()];
    expect(() => restore(items.slice(0, -1), frozen.digest)).toThrow(/digest/);
    expect(() => restore([...items, ...items.slice(-1)], frozen.digest)).toThrow(/each key once/);
    expect(() => restore(items.slice(1), frozen.digest)).toThrow(/totals/);
  });
});
