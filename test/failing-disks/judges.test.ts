import { describe, expect, test } from "vitest";
import { kinds, names } from "../../jepsen-lite/failing-disks/kinds.ts";
import { checkNotRetried } from "../../jepsen-lite/real/ends.ts";

describe("the calls on a file of which one has failed", () => {
  const before = ["12 write(22, ...) = 133", "12 fdatasync(22) = 0"];
  const failed = "13 fdatasync(22) = -1 EIO (Input/output error) (INJECTED)";
  const ends = ["13 +++ exited with 74 +++"];

  test("may be followed by the end of the process, also where they came back late", () => {
    checkNotRetried([...before, failed, ...ends], "log");
    const late = `13 <... fdatasync resumed>) = -1 EIO (Input/output error) (INJECTED)`;
    checkNotRetried([...before, "13 fdatasync(22 <unfinished ...>", late, ...ends], "log");
  });

  test("may not be followed by another sync, whatever comes of that", () => {
    const again = "14 fdatasync(22) = 0";
    expect(() => checkNotRetried([...before, failed, again], "log")).toThrow(
      expect.objectContaining({ kind: "retried", message: `log: ${again}` }),
    );
    const write = "13 pwrite64(26, ...) = -1 ENOSPC (No space left on device) (INJECTED)";
    expect(() => checkNotRetried([write, "14 fsync(26) = 0"], "mark")).toThrow("fsync(26)");
  });

  test("show nothing where none has failed", () => {
    expect(() => checkNotRetried([...before, ...ends], "log")).toThrow("nothing has failed");
  });
});

test("a kind stands for itself at each disk that it can hit", () => {
  expect(names.get("read-only")).toEqual([
    "read-only-alone",
    "read-only-follower",
    "read-only-leader",
  ]);
  expect(names.get("read-only-leader")).toEqual(["read-only-leader"]);
  expect(kinds.every(({ name }) => (names.get(name) ?? []).length > 0)).toBe(true);
});
