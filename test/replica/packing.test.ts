import { expect, test } from "vitest";
import { Packing } from "../../src/replica/packing.ts";
import { commandCodec } from "../../src/wire/command-codec.ts";

const command = commandCodec.encode({ type: "reapSession", session: "s1" });

test("commands that the leader of one term was given are in no entry of another", () => {
  const packing = new Packing(commandCodec);
  packing.add(3, [command]);
  expect(packing.take(4, 0)).toBeNull();
  packing.add(4, [command]);
  packing.add(5, [command, command]);
  const entry = packing.take(5, 0);
  expect(entry === null ? [] : commandCodec.decodeBatch(entry).commands).toHaveLength(2);
  expect(packing.isEmpty).toBe(true);
});
