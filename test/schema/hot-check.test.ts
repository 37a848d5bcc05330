import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkBySchema, checkClientMessage } from "../../src/schema/client-message.ts";
import { isHotMessage } from "../../src/schema/hot-check.ts";
import { hotMessage, nearlyValid, oddValue } from "./arbitraries.ts";

describe("the hand-written checks", () => {
  it("take every valid message, and so do the schemas", () => {
    fc.assert(
      fc.property(hotMessage, (message) => {
        expect(isHotMessage(message)).toBe(true);
        expect(checkBySchema(message)).toEqual({ ok: true, message });
      }),
      { numRuns: 2000 },
    );
  });

  it("take of nearly valid messages exactly those that the schemas take", () => {
    let taken = 0;
    let refused = 0;
    fc.assert(
      fc.property(nearlyValid(hotMessage), (value) => {
        const bySchema = checkBySchema(value);
        if (isHotType(value)) {
          expect(isHotMessage(value)).toBe(bySchema.ok);
        }
        expect(checkClientMessage(value)).toEqual(bySchema);
        taken += bySchema.ok ? 1 : 0;
        refused += bySchema.ok ? 0 : 1;
      }),
      { numRuns: 6000 },
    );
    expect(taken).toBeGreaterThan(50);
    expect(refused).toBeGreaterThan(50);
  });

  it("take nothing that never was a message", () => {
    fc.assert(
      fc.property(oddValue, (value) => {
        expect(isHotMessage(value)).toBe(false);
        expect(checkClientMessage(value)).toEqual(checkBySchema(value));
      }),
    );
  });
});

function isHotType(value: unknown): boolean {
  const types = ["register", "update", "deregister", "get", "ack", "ping"];
  return (
    typeof value === "object" &&
    value !== null &&
    Object.hasOwn(value, "type") &&
    types.includes((value as { type: string }).type)
  );
}
