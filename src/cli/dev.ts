import { rmSync } from "node:fs";
import type { Command } from "commander";
import { PORT_DEFAULT } from "../limits.ts";
import { defineCommand, flag, type Invocation } from "./command.ts";
import type { Context } from "./context.ts";
import { DevCluster } from "./dev-cluster.ts";
import {
  checkPorts,
  DEV_NODES_DEFAULT,
  DEV_NODES_MAX,
  type DevLayout,
  layOut,
  makeDirectories,
} from "./dev-layout.ts";
import { DevReport } from "./dev-report.ts";
import { integerIn } from "./flags.ts";

interface DevFlags {
  readonly nodes?: number;
  readonly port: number;
  readonly data: string;
  readonly ephemeral?: boolean;
}

export function defineDev(command: Command, invocation: Invocation): void {
  defineCommand<DevFlags>(command, invocation, {
    examples: [
      { line: "rollcall dev", doc: "three nodes on 7420 to 7422, data in ./.rollcall" },
      { line: "rollcall dev --ephemeral", doc: "nothing is kept" },
      { line: "rollcall dev --nodes 5 --port 9000", doc: "five, on 9000 to 9004" },
      { line: "rollcall dev -v", doc: "the nodes' logs on stderr" },
    ],
    flags: [
      flag({
        flags: "--nodes <count>",
        doc: `How many (default: those in --data, else ${DEV_NODES_DEFAULT})`,
        env: "ROLLCALL_NODES",
        parse: integerIn(1, DEV_NODES_MAX),
      }),
      flag({
        flags: "--port <port>",
        doc: "Port of the first node; the others take those that follow",
        env: "ROLLCALL_PORT",
        parse: integerIn(1, 65_535),
        fallback: PORT_DEFAULT,
        fallbackText: String(PORT_DEFAULT),
      }),
      flag<string>({
        flags: "--data <dir>",
        doc: "Where data and logs are kept between starts",
        env: "ROLLCALL_DATA",
        fallback: "./.rollcall",
        fallbackText: "./.rollcall",
      }),
      flag<boolean>({
        flags: "--ephemeral",
        doc: "A temporary directory instead, removed at the end",
        env: "ROLLCALL_EPHEMERAL",
      }),
    ],
    work: (context, _args, flags) => runDev(context, flags),
  });
}

async function runDev(context: Context, flags: DevFlags): Promise<number> {
  const isEphemeral = flags.ephemeral === true;
  const layout = layOut({
    dir: isEphemeral ? null : flags.data,
    cwd: context.world.cwd,
    nodes: flags.nodes ?? null,
    port: flags.port,
  });
  try {
    await checkPorts(layout);
    makeDirectories(layout);
    return await runCluster(context, layout, isEphemeral);
  } finally {
    if (isEphemeral) {
      rmSync(layout.dir, { recursive: true, force: true });
    }
  }
}

/** Ctrl-C, SIGTERM or a closed terminal stops every node; a second one does not wait for them. */
async function runCluster(
  context: Context,
  layout: DevLayout,
  isEphemeral: boolean,
): Promise<number> {
  const { signals } = context.world;
  const report = new DevReport(context, layout, isEphemeral);
  const cluster = new DevCluster(context, layout, report);
  const offs = (["SIGINT", "SIGTERM", "SIGHUP"] as const).map((name) =>
    signals.on(name, () => cluster.stop()),
  );
  try {
    return await cluster.run();
  } finally {
    for (const off of offs) {
      off();
    }
  }
}
