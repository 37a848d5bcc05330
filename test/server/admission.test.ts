import { describe, expect, it } from "vitest";
import { DESCRIPTORS_MIN, DESCRIPTORS_RESERVED } from "../../src/limits.ts";
import { Admission } from "../../src/server/admission.ts";
import { LogBook } from "./world.ts";

const FILES_MAX = 1_024;
const CLIENTS_MAX = FILES_MAX - DESCRIPTORS_RESERVED;

describe("clients are let in", () => {
  it("while descriptors are left for files and for the links between nodes", () => {
    const admission = new Admission(FILES_MAX, new LogBook());
    expect(admission.refusal(CLIENTS_MAX)).toBeNull();
    expect(admission.refusal(CLIENTS_MAX + 1)).toMatch(/^OVERLOADED: 768 connections/);
    expect(admission.connectionsMax).toBeGreaterThan(CLIENTS_MAX);
    expect(admission.connectionsMax).toBeLessThan(FILES_MAX);
  });

  it("without a limit where the system sets none", () => {
    expect(new Admission(null, new LogBook()).refusal(1_000_000)).toBeNull();
  });

  it("and the log says once when that ends, and once when it begins again", () => {
    const log = new LogBook();
    const admission = new Admission(FILES_MAX, log);
    for (const connections of [CLIENTS_MAX + 1, CLIENTS_MAX + 2, CLIENTS_MAX, CLIENTS_MAX + 1]) {
      admission.refusal(connections);
    }
    admission.full(CLIENTS_MAX + 100);
    expect(log.lines.map(({ level }) => level)).toEqual(["warn"]);
    admission.refusal(CLIENTS_MAX / 2);
    admission.refusal(CLIENTS_MAX / 2);
    expect(log.lines.map(({ level }) => level)).toEqual(["warn", "info"]);
  });

  it("by no node that may open next to nothing: it does not start", () => {
    expect(() => new Admission(DESCRIPTORS_MIN - 1, new LogBook())).toThrow(
      expect.objectContaining({ exitCode: 78, hint: expect.stringContaining("ulimit -n") }),
    );
  });
});
