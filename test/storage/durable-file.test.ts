import { open } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { BLOCK_BYTES } from "../../src/storage/block.ts";
import { carryOut, readIfThere, writeSynced } from "../../src/storage/durable-file.ts";
import { temporaryDirectory } from "./fixture.ts";

describe("what fails names its file, which Node's own error does not", () => {
  const noRoom = { code: "DISK", message: expect.stringMatching(/^\/dev\/full: .*ENOSPC/) };

  it("when a block of it is written", async () => {
    const handle = await open("/dev/full", "r+");
    const content = Buffer.alloc(BLOCK_BYTES);
    const step = { type: "write", file: "mark", block: 0, content } as const;
    const steps = (function* () {
      yield step;
    })();
    await expect(carryOut(steps, () => ({ path: "/dev/full", handle }))).rejects.toMatchObject(
      noRoom,
    );
    await handle.close();
  });

  it("when it is written as a whole", async () => {
    await expect(writeSynced("/dev/full", Buffer.from("x"))).rejects.toMatchObject(noRoom);
  });

  it("when it is read", async () => {
    const path = await temporaryDirectory();
    const unreadable = { code: "DISK", message: expect.stringContaining(`${path}: EISDIR`) };
    await expect(readIfThere(path)).rejects.toMatchObject(unreadable);
  });
});
