import { PORT_DEFAULT } from "../limits.ts";
import type { Context } from "./context.ts";
import type { DevLayout, DevMember } from "./dev-layout.ts";
import type { DevNode, NodeExit, NodeFault } from "./dev-node.ts";
import type { Output } from "./output.ts";
import { ownCommand } from "./own-command.ts";

/** What `rollcall dev` says: sentences for people, `DevEvent`s for programs. */
export class DevReport {
  readonly #output: Output;
  readonly #layout: DevLayout;
  readonly #isEphemeral: boolean;
  readonly #command: string;

  constructor({ output, world }: Context, layout: DevLayout, isEphemeral: boolean) {
    this.#output = output;
    this.#layout = layout;
    this.#isEphemeral = isEphemeral;
    this.#command = ownCommand(world);
  }

  starting(): void {
    const { dir, members, isKept } = this.#layout;
    const where = this.#isEphemeral ? `${dir} (removed at the end)` : dir;
    const what = isKept ? "Starting the cluster kept in" : "Starting a new cluster in";
    this.#say("starting", { dir, isKept, nodes: members.map(nodeFields) }, [`${what} ${where}`]);
  }

  /** Everything a person needs to go on. `leader` null: none was elected in time. */
  ready(leader: string | null, term: number | null, nodes: readonly DevNode[]): void {
    const { dir } = this.#layout;
    const running = nodes.filter((node) => node.isRunning);
    const rows = running.map(({ member: { name, address }, pid }) => {
      const row = `  ${name}  ws://${address}  pid ${pid}`;
      return name === leader ? `${row}  ${this.#output.style("bold", "leader")}` : row;
    });
    const listed = running.map(({ member, pid }) => ({ ...nodeFields(member), pid }));
    const led = leader === null ? "No leader yet." : `${leader} leads in term ${term}.`;
    const logs = this.#output.isVerbose ? [] : [`Logs: ${dir}/n*.log`];
    const tries = this.#tries(running[0]?.member);
    const fields = { leader, term, nodes: listed, try: tries };
    this.#say(leader === null ? "waiting" : "ready", fields, [
      "",
      ...rows,
      "",
      led,
      ...logs,
      "",
      "Try next, in another terminal:",
      ...tries.map((line) => `  ${line}`),
      "",
      "Ctrl-C stops all nodes.",
    ]);
  }

  leaderChanged(leader: string | null, term: number | null): void {
    const text = leader === null ? "There is no leader." : `${leader} leads in term ${term}.`;
    this.#say("leader", { leader, term }, [text]);
  }

  /** Nobody told it to. */
  died({ name, logPath }: DevMember, { code, signal }: NodeExit, fault: NodeFault | null): void {
    const how = code === null ? `was killed by ${signal}` : `ended with exit code ${code}`;
    const why = fault === null ? "" : `: ${fault.message}`;
    const where = this.#output.isVerbose ? "" : ` (its log: ${logPath})`;
    const { message: reason = null, hint = "" } = fault ?? {};
    this.#say("died", { node: name, code, signal, reason, hint }, []);
    this.#output.warn(`${name} ${how}${why}${where}`);
    if (hint !== "") {
      this.#output.note(`hint: ${hint}`);
    }
  }

  stopping(running: number): void {
    this.#say("stopping", { running }, ["", `Stopping ${running} nodes …`]);
  }

  killed({ name }: DevMember): void {
    this.#output.warn(`${name} did not stop in time and was killed`);
  }

  stopped(): void {
    const { dir } = this.#layout;
    const rest = this.#isEphemeral ? "Nothing is kept." : `Data is kept in ${dir}.`;
    this.#say("stopped", {}, [`Stopped. ${rest}`]);
  }

  /** Against one that runs. */
  #tries(member: DevMember | undefined): readonly string[] {
    const port = member?.port ?? PORT_DEFAULT;
    const server = port === PORT_DEFAULT ? "" : ` -s 127.0.0.1:${port}`;
    return [
      `${this.#command} status${server}`,
      `${this.#command} watch hello${server}`,
      `${this.#command} register hello 127.0.0.1:8080${server}`,
    ];
  }

  #say(type: string, fields: Readonly<Record<string, unknown>>, lines: readonly string[]): void {
    if (!this.#output.isForPeople) {
      this.#output.document("DevEvent", { type, ...fields });
      return;
    }
    for (const line of lines) {
      this.#output.line(line);
    }
  }
}

function nodeFields({ name, address, dataDir, logPath }: DevMember): object {
  return { name, address, dataDir, logPath };
}
