import { DRAIN_MS_DEFAULT } from "../limits.ts";
import { type Deferred, deferred } from "../util/deferred.ts";
import { surveyCluster } from "./cluster-view.ts";
import type { Context } from "./context.ts";
import type { DevLayout, DevMember } from "./dev-layout.ts";
import { DevNode } from "./dev-node.ts";
import type { DevReport } from "./dev-report.ts";
import { CLI_EXIT } from "./exit-codes.ts";
import { Failure } from "./failure.ts";

/** Nobody is moved away from a cluster on a laptop that stops as a whole. */
const DRAIN_MS = 1_000;
const KILL_AFTER_MS = DRAIN_MS_DEFAULT;
const SIGNAL_ECHO_MS = 500;
const FIRST_LEADER_MS = 15_000;
const FIRST_POLL_MS = 100;
const POLL_MS = 1_000;
const ASK_MS = 1_000;

/** The children's configuration is this command's alone, but for what it says nothing about. */
const KEPT_VARIABLES: ReadonlySet<string> = new Set([
  "ROLLCALL_LOG_LEVEL",
  "ROLLCALL_ALLOW_ORIGIN",
]);

/** The nodes of one machine: starts them, follows who leads, stops them. */
export class DevCluster {
  readonly #context: Context;
  readonly #layout: DevLayout;
  readonly #report: DevReport;
  #nodes: readonly DevNode[] = [];
  #stoppingSinceMs: number | null = null;
  #isHurried = false;
  #leader: string | null = null;
  /** Woken by a stop, or when a node ends. */
  #wake: Deferred<void> = deferred();

  constructor(context: Context, layout: DevLayout, report: DevReport) {
    this.#context = context;
    this.#layout = layout;
    this.#report = report;
  }

  /** Resolves with the exit code when no node runs any more. */
  async run(): Promise<number> {
    this.#report.starting();
    this.#nodes = this.#layout.members.map((member) => this.#start(member));
    try {
      await this.#firstLeader();
      await this.#follow();
    } finally {
      await this.#stopAll();
    }
    if (!this.#isStopping) {
      throw new Failure("FAILURE", "no node runs any more", {
        exitCode: CLI_EXIT.failure,
        hint: `their logs are in ${this.#layout.dir}`,
      });
    }
    this.#report.stopped();
    return CLI_EXIT.ok;
  }

  /**
   * The second time it does not wait. One Ctrl-C under `npm start` arrives twice, from the terminal
   * and from npm, which passes it on: what follows at once is the same one.
   */
  stop(): void {
    if (this.#stoppingSinceMs === null) {
      this.#stoppingSinceMs = performance.now();
    } else if (performance.now() - this.#stoppingSinceMs > SIGNAL_ECHO_MS) {
      this.#isHurried = true;
      this.#kill();
    }
    this.#wake.resolve();
  }

  get #isStopping(): boolean {
    return this.#stoppingSinceMs !== null;
  }

  get #running(): readonly DevNode[] {
    return this.#nodes.filter((node) => node.isRunning);
  }

  #start(member: DevMember): DevNode {
    const { world, output } = this.#context;
    const node = new DevNode({
      binPath: world.binPath,
      member,
      args: this.#argsOf(member),
      env: childEnvironment(world.env),
      logPath: output.isVerbose ? null : member.logPath,
    });
    void node.ended.then((exit) => {
      if (!this.#isStopping) {
        this.#report.died(member, exit, node.lastError());
      }
      this.#wake.resolve();
    });
    return node;
  }

  #argsOf(member: DevMember): string[] {
    const named = ({ name, address }: DevMember): string => `${name}=${address}`;
    const others = this.#layout.members.filter((other) => other !== member);
    return [
      "start",
      ...["--id", member.name],
      ...["--data", member.dataDir],
      ...["--listen", member.address],
      ...["--advertise", member.address],
      ...["--bootstrap", this.#layout.members.map(named).join(",")],
      // Where they are now: another --port than at the last start is no reason to lose each other.
      ...others.flatMap((other) => ["--peer", named(other)]),
      ...["--drain-ms", String(DRAIN_MS)],
      ...["--goaway-spread-ms", "0"],
      // Three on one disk keep nothing from each other.
      ...["--disk-reserve", "0"],
    ];
  }

  async #firstLeader(): Promise<void> {
    const deadlineMs = performance.now() + FIRST_LEADER_MS;
    while (!this.#isStopping && this.#running.length > 0) {
      const { leader, term } = await this.#survey();
      if (leader !== null || performance.now() > deadlineMs) {
        this.#leader = leader;
        this.#report.ready(leader, term, this.#nodes);
        return;
      }
      await this.#pause(FIRST_POLL_MS);
    }
  }

  async #follow(): Promise<void> {
    while (!this.#isStopping && this.#running.length > 0) {
      await this.#pause(POLL_MS);
      if (this.#isStopping || this.#running.length === 0) {
        return;
      }
      const { leader, term } = await this.#survey();
      if (leader !== this.#leader && !this.#isStopping) {
        this.#leader = leader;
        this.#report.leaderChanged(leader, term);
      }
    }
  }

  /** A leader counts only while it runs: its followers name it until they have noticed. */
  async #survey(): Promise<{ readonly leader: string | null; readonly term: number | null }> {
    const serving = this.#nodes.filter((node) => node.isServing);
    const servers = serving.map(({ member }) => `ws://${member.address}`);
    const { leader, term } = await surveyCluster(servers, ASK_MS);
    const isThere = this.#running.some(({ member }) => member.name === leader);
    return { leader: isThere ? leader : null, term };
  }

  async #pause(delayMs: number): Promise<void> {
    const timer = setTimeout(() => this.#wake.resolve(), delayMs);
    await this.#wake.promise;
    clearTimeout(timer);
    this.#wake = deferred();
    if (this.#isStopping) {
      this.#wake.resolve();
    }
  }

  async #stopAll(): Promise<void> {
    const running = this.#running;
    if (running.length === 0) {
      return;
    }
    this.#report.stopping(running.length);
    for (const node of running) {
      node.kill("SIGTERM");
    }
    const late = setTimeout(() => this.#kill(), KILL_AFTER_MS);
    if (this.#isHurried) {
      this.#kill();
    }
    await Promise.all(running.map((node) => node.ended));
    clearTimeout(late);
  }

  #kill(): void {
    for (const node of this.#running) {
      this.#report.killed(node.member);
      node.kill("SIGKILL");
    }
  }
}

function childEnvironment(
  env: Readonly<Record<string, string | undefined>>,
): Readonly<Record<string, string | undefined>> {
  const kept = Object.entries(env).filter(
    ([name]) => !name.startsWith("ROLLCALL_") || KEPT_VARIABLES.has(name),
  );
  return Object.fromEntries(kept);
}
