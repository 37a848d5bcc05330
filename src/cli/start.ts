import type { Command } from "commander";
import {
  NODE_OPTIONS,
  type NodeConfig,
  type NodeFlags,
  parseNodeConfig,
} from "../server/config.ts";
import type { NodeHandle } from "../server/node.ts";
import { runNode } from "../server/run.ts";
import { defineCommand, flag, type Invocation } from "./command.ts";
import type { NodeReady } from "./dev-node.ts";
import type { World } from "./world.ts";

type FlagTexts = Readonly<Record<string, unknown>>;

export function defineStart(command: Command, invocation: Invocation): void {
  defineCommand<FlagTexts>(command, invocation, {
    examples: [
      {
        line: "rollcall start --id n1 --data ./n1 --bootstrap n1=127.0.0.1:7420",
        doc: "a cluster of one",
      },
      {
        line: [
          "rollcall start --id n1 --data /var/lib/rollcall --listen 0.0.0.0:7420 --insecure \\",
          "    --advertise 10.0.0.1:7420 \\",
          "    --bootstrap n1=10.0.0.1:7420,n2=10.0.0.2:7420,n3=10.0.0.3:7420",
        ].join("\n"),
        doc: "the first of three; the others alike, each with its own --id and --advertise",
      },
      {
        line: [
          "rollcall start --id n4 --data ./n4 --listen 127.0.0.1:7423 \\",
          "    --join 127.0.0.1:7420",
        ].join("\n"),
        doc: "one more, added to a cluster that runs",
      },
      {
        line: "ROLLCALL_ID=n1 ROLLCALL_DATA=/var/lib/rollcall rollcall start",
        doc: "later starts: the directory knows its cluster",
      },
    ],
    flags: Object.values(NODE_OPTIONS).map(nodeFlag),
    work: ({ world }, _args, texts) => start(world, texts),
  });
}

type OptionRow = (typeof NODE_OPTIONS)[keyof NodeConfig];

/** Without `env` of its own: the server reads the environment, and checks both alike. */
function nodeFlag(row: OptionRow): ReturnType<typeof flag> {
  const { kind, value, doc, env } = row;
  const more = kind === "list" ? "; commas or again for more" : "";
  return flag<readonly string[] | string>({
    flags: kind === "switch" ? row.flag : `${row.flag} <${value.toLowerCase()}>`,
    doc: `${doc}${more} (env: ${env})`,
    env: null,
    ...(kind === "list" && {
      parse: (text: string, previous: readonly string[] | string | undefined) => [
        ...(previous ?? []),
        text,
      ],
    }),
  });
}

async function start(world: World, texts: FlagTexts): Promise<number> {
  const config = parseNodeConfig(toNodeFlags(texts), world.env);
  const isChild = process.send !== undefined;
  let isListening = false;
  if (isChild) {
    // A parent that is killed before the node listens leaves nobody who would ever stop it.
    process.on("disconnect", () => {
      if (!isListening) {
        process.exit(0);
      }
    });
  }
  return runNode(config, (node) => {
    isListening = true;
    if (isChild) {
      tellParent(node, config);
    }
  });
}

/** From commander's names (`--allow-origin` is `allowOrigin`) to those of the configuration. */
function toNodeFlags(texts: FlagTexts): NodeFlags {
  const named = Object.entries(NODE_OPTIONS).map(([key, row]) => {
    const attribute = row.flag
      .replace(/^--/, "")
      .replace(/-(\w)/g, (_, letter) => letter.toUpperCase());
    return [key, texts[attribute]];
  });
  return Object.fromEntries(named);
}

function tellParent(node: NodeHandle, { id }: NodeConfig): void {
  node.serving.then(
    () => {
      const ready: NodeReady = { type: "ready", id, address: node.address, pid: process.pid };
      // A parent that has gone meanwhile is noticed by the channel's own event.
      process.send?.(ready, undefined, undefined, () => {});
    },
    () => {},
  );
}
