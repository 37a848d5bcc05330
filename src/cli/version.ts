import type { Command } from "commander";
import { packageVersion } from "../server/version.ts";
import { defineCommand, type Invocation } from "./command.ts";
import { CLI_EXIT } from "./exit-codes.ts";

export function defineVersion(command: Command, invocation: Invocation): void {
  defineCommand(command, invocation, {
    examples: [
      { line: "rollcall version", doc: "for people" },
      { line: "rollcall version -o json", doc: "for programs" },
    ],
    work: async ({ output }) => {
      const version = packageVersion();
      if (output.isForPeople) {
        output.line(`rollcall ${version} (node ${process.version})`);
      } else {
        output.document("Version", { version, node: process.version });
      }
      return CLI_EXIT.ok;
    },
  });
}
