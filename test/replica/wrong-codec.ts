import type { Command } from "../../src/registry/command.ts";
import type { CommandCodec } from "../../src/replica/command-codec.ts";
import { commandCodec } from "../../src/wire/command-codec.ts";

/** Reads commands otherwise than they were written, so that the state of its node goes its own way. */
export function wrongCodec(misread: (command: Command) => Command): CommandCodec {
  return {
    ...commandCodec,
    decodeBatch: (data) => {
      const { atMs, commands } = commandCodec.decodeBatch(data);
      return { atMs, commands: commands.map(misread) };
    },
  };
}

/** A registration with another weight; any other command as it is. */
export function weighing(weight: number, command: Command): Command {
  return command.type === "register"
    ? { ...command, instances: command.instances.map((spec) => ({ ...spec, weight })) }
    : command;
}
