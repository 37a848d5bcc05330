import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Outcome, Reply } from "../../src/registry/command.ts";
import { Registry } from "../../src/registry/registry.ts";
import { meta } from "./commands.ts";
import { history, ids, limits, play } from "./histories.ts";
import { byKey, Model, type ModelOutcome, type ModelReply, type ModelSession } from "./model.ts";

/** A reply without its wording. */
function bareReply(reply: Reply): ModelReply {
  const { ok, revision } = reply;
  return { ok, revision, code: reply.ok ? null : reply.code };
}

function bare(outcome: Outcome): ModelOutcome {
  return outcome.type === "applied"
    ? { type: "applied", reply: bareReply(outcome.reply) }
    : outcome;
}

/** `expect` costs too much to be asked a million times. */
function same(found: unknown, expected: unknown): void {
  if (!isDeepStrictEqual(found, expected)) expect(found).toStrictEqual(expected);
}

function compareStates(registry: Registry, model: Model): void {
  same(registry.revision, model.revision);
  same(registry.stateVersion, model.stateVersion);
  same(registry.instanceCount, model.instances.length);
  same(registry.sessionCount, model.sessions.length);
  for (const application of ["shop", "till"]) {
    const all = model.instances.filter((one) => one.application === application).sort(byKey);
    const selector = { namespace: "default", application, protocol: null, meta: meta() };
    same(registry.select(selector), all);
    const tagged = { ...selector, protocol: "http", meta: meta(["tag", "read"]) };
    same(
      registry.select(tagged),
      all.filter((one) => one.protocol === "http" && JSON.stringify(one.meta).includes("read")),
    );
  }
  same(
    registry.applications("default"),
    [...new Set(model.instances.map((one) => one.application))].sort(),
  );
  same(
    [...registry.sessions()].map((one) => one.id),
    model.sessions.map((one) => one.id).sort(),
  );
  same(
    [...registry.endingSessions()].sort(),
    model.sessions.flatMap((one) => (one.ending === null ? [] : [one.id])).sort(),
  );
  for (const expected of model.sessions) same(viewOf(registry, expected), expected);
  for (const id of ids) {
    const found = model.tombstones.find(({ session }) => session === id);
    same(registry.ended(id), found ?? null);
  }
}

/** What the registry says of a session, in the model's words. */
function viewOf(registry: Registry, { id }: ModelSession): ModelSession | null {
  const session = registry.session(id);
  if (session === null) return null;
  const { secretHash, ttlMs, graceMs, client, order, openedRevision, openedAtMs } = session;
  const { lastSeq, floor, ownedRevision, ending, owned } = session;
  const kept = [...Array(lastSeq + 3).keys()].slice(1).flatMap((seq) => {
    const reply = session.reply(seq);
    return reply === null ? [] : [{ seq, reply: bareReply(reply) }];
  });
  const fixed = { id, secretHash, ttlMs, graceMs, client, order, openedRevision, openedAtMs };
  return { ...fixed, lastSeq, floor, ownedRevision, ending, owned, kept };
}

describe("the registry against a naive model", () => {
  test("each command has the same outcome, changes and state, and the digest is that of the state", () => {
    const seen = { gap: 0, none: 0, ok: 0, changes: 0, pieces: 0, codes: new Set<string>() };
    fc.assert(
      fc.property(limits, history, (small, steps) => {
        const registry = new Registry(small);
        const model = new Model(small);
        play(steps, model, ({ context, command }, expected) => {
          const result = registry.apply(context, command);
          same(bare(result.outcome), expected.outcome);
          same(result.changes, expected.changes);
          same(result.sessionEvents, expected.sessionEvents);
          compareStates(registry, model);
          registry.checkInvariants();
          if (result.outcome.type !== "applied") seen[result.outcome.type] += 1;
          else if (result.outcome.reply.ok) seen.ok += 1;
          else seen.codes.add(result.outcome.reply.code);
          seen.changes += result.changes.length;
          seen.pieces += command.type === "reapSession" ? result.changes.length : 0;
        });
      }),
      { numRuns: 150 },
    );
    expect([...seen.codes].sort()).toEqual([
      "CONFLICT",
      "DENIED",
      "INVALID",
      "LIMIT",
      "NOT_FOUND",
      "SESSION_EXPIRED",
      "SESSION_UNKNOWN",
      "TAKEN_OVER",
    ]);
    expect(Math.min(seen.gap, seen.none, seen.ok, seen.changes, seen.pieces)).toBeGreaterThan(10);
  }, 60_000);

  test("two states have the same digest exactly when they are the same state", () => {
    const digests = new Map<string, string>();
    const texts = new Map<string, string>();
    fc.assert(
      fc.property(limits, history, (small, steps) => {
        const model = new Model(small);
        const [one, other] = [new Registry(small), new Registry(small)];
        play(steps, model, ({ context, command }) => {
          one.apply(context, command);
          other.apply(context, structuredClone(command));
          expect(other.digest()).toBe(one.digest());
          const text = model.text();
          expect(digests.get(text) ?? one.digest()).toBe(one.digest());
          expect(texts.get(one.digest()) ?? text).toBe(text);
          digests.set(text, one.digest());
          texts.set(one.digest(), text);
        });
      }),
      { numRuns: 120 },
    );
    expect(texts.size).toBeGreaterThan(1000);
  }, 60_000);
});
