import { describe, expect, test } from "vitest";
import { exitCodeOfError, exitCodeOfWrite } from "../../src/cli/exit-codes.ts";
import { toFailure } from "../../src/cli/failure.ts";
import { RollcallError } from "../../src/client/errors.ts";
import { ERRORS, type ErrorCode } from "../../src/errors.ts";
import { NodeError } from "../../src/server/node-error.ts";

const codes = Object.keys(ERRORS) as ErrorCode[];

describe("exit codes", () => {
  test("every code of the error table has the one that the contract names", () => {
    const byExit: Record<number, ErrorCode[]> = {};
    for (const code of codes) {
      byExit[exitCodeOfError(code)] = [...(byExit[exitCodeOfError(code)] ?? []), code];
    }
    expect(byExit).toEqual({
      1: [
        "PROTOCOL",
        "VERSION",
        "SESSION_EXPIRED",
        "SESSION_UNKNOWN",
        "SEQUENCE_GAP",
        "INTERNAL",
        "CLOSED",
      ],
      2: ["INVALID", "TOO_LARGE", "LIMIT"],
      3: ["NOT_FOUND"],
      4: ["CONFLICT", "TAKEN_OVER", "ALREADY_BOOTSTRAPPED", "REMOVED"],
      5: ["DENIED"],
      6: [
        "NO_LEADER",
        "TOO_STALE",
        "OVERLOADED",
        "DRAINING",
        "DISK_LOW",
        "LEADER_LOST",
        "CONNECTION_LOST",
        "NO_INSTANCE",
      ],
      7: ["TIMEOUT"],
    });
  });

  test("of a write without an answer tell whether it may have happened, whatever its code", () => {
    for (const code of codes) {
      const asRead = exitCodeOfError(code);
      const isUnanswered = asRead === 6 || asRead === 7;
      expect(exitCodeOfWrite(code, true), code).toBe(isUnanswered ? 6 : asRead);
      expect(exitCodeOfWrite(code, false), code).toBe(isUnanswered ? 7 : asRead);
    }
  });

  test("are chosen by what the command does and by what is known of it", () => {
    const exitOf = (command: string, definite: boolean): number =>
      toFailure(new RollcallError("TIMEOUT", "late", { definite }), command).exitCode;
    expect([exitOf("deregister", true), exitOf("register", false)]).toEqual([6, 7]);
    expect(exitOf("get", true)).toBe(7);
  });

  test("a node that cannot start keeps the node's own code and hint", () => {
    const failure = toFailure(new NodeError(78, "cannot listen", "choose another"), "start");
    expect(failure).toMatchObject({ exitCode: 78, code: "CONFIGURATION", hint: "choose another" });
  });

  test("what nobody expected is 1", () => {
    expect(toFailure(new TypeError("x is not a function"), "get")).toMatchObject({
      exitCode: 1,
      code: "FAILURE",
      message: "x is not a function",
    });
    expect(toFailure("text", null)).toMatchObject({ exitCode: 1, message: "text" });
  });
});

describe("an error of the registry", () => {
  test("loses its code in the sentence and keeps it in the fields, with field and limit", () => {
    const error = new RollcallError("TOO_LARGE", "meta.a is 5000 bytes", {
      field: "meta.a",
      limit: 4096,
    });
    expect(toFailure(error, "register")).toMatchObject({
      code: "TOO_LARGE",
      message: "meta.a is 5000 bytes",
      isRetryable: false,
      details: { definite: true, field: "meta.a", limit: 4096 },
    });
  });

  test("that may hide a success says so, whatever its code", () => {
    for (const code of ["TIMEOUT", "SESSION_EXPIRED", "NO_LEADER"] as const) {
      const failure = toFailure(new RollcallError(code, "late", { definite: false }), "register");
      expect(failure.hint).toContain("it may have happened");
      expect(failure.details).toEqual({ definite: false });
    }
  });

  test("that hides nothing says that too, where it is about a write", () => {
    for (const code of ["TIMEOUT", "NO_LEADER", "DISK_LOW", "DRAINING"] as const) {
      const error = new RollcallError(code, "late", { definite: true });
      expect(toFailure(error, "deregister").hint).toMatch(/^nothing was changed(?:; |$)/);
      expect(toFailure(error, "get").hint).not.toContain("changed");
    }
  });

  test("is retryable as the error table says", () => {
    for (const code of codes) {
      const failure = toFailure(new RollcallError(code, "x"), "get");
      expect(failure.isRetryable, code).toBe(ERRORS[code].retry !== "no");
    }
  });
});
