import { AssertionError } from "../../src/util/assert.ts";
import { check, report } from "../checker/check.ts";
import type { Verdict } from "../checker/verdict.ts";
import type { History } from "../history.ts";
import { Prng } from "../prng.ts";
import type { ChangeCounts } from "./configurations.ts";
import { textOf } from "./configurations.ts";
import type { Core, Fault, FaultSource } from "./fault.ts";
import { ListedFaults } from "./fault.ts";
import { DrawnFaults } from "./fault-drawing.ts";
import { type FaultCounts, Faults } from "./faults.ts";
import { drawOptions, type SimOptions } from "./options.ts";
import { SimClient } from "./sim-client.ts";
import type { SimNode } from "./sim-node.ts";
import { SimWatcher } from "./sim-watcher.ts";
import { targetsIn } from "./targets.ts";
import { demand, Violation } from "./violation.ts";
import { World } from "./world.ts";

export interface RunResult {
  readonly seed: number;
  readonly options: SimOptions;
  /** What was broken; null for a clean run. */
  readonly violation: string | null;
  readonly simulatedMs: number;
  readonly events: number;
  readonly traceHash: string;
  readonly revisions: number;
  readonly leaderChanges: number;
  readonly acknowledged: number;
  readonly deliveries: number;
  readonly reads: number;
  /** How much each checker of the history had to look at. */
  readonly looked: Verdict["looked"];
  readonly snapshots: { readonly taken: number; readonly installed: number };
  readonly changes: MemberCounts;
  /** Who stayed broken while the others had to go on; null where all were healed at once. */
  readonly core: Core | null;
  /** Members that came back without their logs, and have them again. */
  readonly returned: number;
  readonly faults: FaultCounts;
}

/** `tooEarly`: promotions that were refused because the learner was behind. */
export type MemberCounts = ChangeCounts & { readonly tooEarly: number };

const SECOND_MS = 1_000;
/** The healed cluster has to take new writes before it comes to rest. */
const HEALED_TRAFFIC_MS = 3_000;
/** What is left of pauses and hanging disks is over by then, and elections. */
const CORE_MS_MAX = 15_000;
const CORE_MS_MIN = 3_000;
const CORE_REVISIONS = 3;
const CORE_SEEDS = 1_000_000;
/** In which nobody who was removed, and knows it or not, deposes a leader: two elections. */
const REST_MS = 4_000;

/** What makes a run what it is, beside the code. */
export interface Plan {
  readonly seed: number;
  readonly options: SimOptions;
  /** null: drawn from the seed while it runs. */
  readonly faults: readonly Fault[] | null;
  /** What draws, after the faults, a minority that stays broken for a while; null for none. */
  readonly core: number | null;
}

export function planOf(seed: number): Plan {
  const options = drawOptions(new Prng(seed, 1));
  const prng = new Prng(seed, 3);
  const hasCore = prng.chance(options.coreChance) && options.faults.asideMs === 0;
  const core = hasCore ? prng.below(CORE_SEEDS) : null;
  return { seed, options, faults: null, core };
}

export function run(seed: number): RunResult {
  return follow(planOf(seed)).result;
}

export interface Followed {
  readonly result: RunResult;
  readonly plan: Plan;
  readonly history: History;
}

/**
 * One run: faults for a while, perhaps a time in which only a majority is whole, then a healed
 * cluster that has to come to rest and agree. `plan` is the same one with its faults written out.
 */
export function follow(plan: Plan): Followed {
  const { seed, options } = plan;
  const world = new World(seed, options);
  const clients = range(options.clients).map((i) => new SimClient(`c${i}`, world));
  const watchers = range(options.watchers).map((i) => new SimWatcher(`w${i}`, world));
  const faults = new Faults(world, clients, watchers);
  let core: Core | null = null;
  let violation: string | null = null;
  try {
    if (isCalm(plan)) {
      world.recorder.record({ type: "calm" });
    }
    start(world, clients, watchers);
    disturb(world, faults, sourceOf(plan, world, clients, watchers));
    undisturbed(world);
    if (plan.core !== null) {
      core = faults.healCore(new Prng(plan.core));
      coreGoesOn(world, core);
    }
    faults.heal();
    advance(world, HEALED_TRAFFIC_MS);
    for (const client of clients) {
      client.quiesce();
    }
    settle(world, clients, watchers);
    world.invariants.disksAgree();
    rest(world);
  } catch (error) {
    if (!(error instanceof Violation || error instanceof AssertionError)) {
      throw error;
    }
    violation = `${error.name}: ${error.message}`;
  }
  const { history } = world.recorder;
  const verdict = check(history);
  const promise = brokenPromise(world, verdict);
  const result: RunResult = {
    seed,
    options,
    violation: [violation, promise].filter((text) => text !== null).join("\n") || null,
    simulatedMs: world.schedule.nowMs,
    events: world.schedule.events,
    traceHash: world.traceHash,
    revisions: world.canon.revision,
    leaderChanges: world.invariants.leaderChanges,
    acknowledged: sum(clients.map((client) => client.acknowledged)),
    deliveries: sum(watchers.map((watcher) => watcher.deliveries)),
    reads: sum([...clients, ...watchers].map((process) => process.reads)),
    looked: verdict.looked,
    snapshots: world.invariants.snapshots,
    changes: { ...world.configurations.counts, tooEarly: world.operator.tooEarly },
    core,
    returned: world.invariants.returned,
    faults: faults.counts,
  };
  return { result, plan: { ...plan, faults: faults.injected }, history };
}

function start(world: World, clients: readonly SimClient[], watchers: readonly SimWatcher[]): void {
  for (const node of world.nodes) {
    node.start();
  }
  for (const node of world.nodes) {
    world.sockets.started(node.id);
  }
  for (const client of clients) {
    client.start();
  }
  for (const watcher of watchers) {
    watcher.start();
  }
}

/** Whether nothing but clients is disturbed from the beginning. */
function isCalm({ options, core }: Plan): boolean {
  const { clientMs: _, ...ofNodes } = options.faults;
  const { lossChance, duplicateChance, lateChance } = options.network;
  const chances = [...Object.values(ofNodes), lossChance, duplicateChance, lateChance];
  return core === null && chances.every((chance) => chance === 0);
}

function advance(world: World, forMs: number): void {
  const untilMs = world.schedule.nowMs + forMs;
  while (world.schedule.nowMs < untilMs) {
    world.schedule.runUntil(Math.min(untilMs, world.schedule.nowMs + SECOND_MS));
    world.invariants.second();
  }
}

function sourceOf(
  { seed, options, faults }: Plan,
  world: World,
  clients: readonly SimClient[],
  watchers: readonly SimWatcher[],
): FaultSource {
  if (faults !== null) {
    return new ListedFaults(faults);
  }
  return new DrawnFaults(options, new Prng(seed, 2), targetsIn(world, clients, watchers));
}

/** A fault comes after everything else of its moment, so that a list of them repeats a run. */
function disturb(world: World, faults: Faults, source: FaultSource): void {
  const { schedule, options } = world;
  let secondMs = SECOND_MS;
  while (schedule.nowMs < options.safetyMs) {
    const nextMs = source.nextMs ?? options.safetyMs;
    schedule.runUntil(Math.min(nextMs, secondMs, options.safetyMs));
    if (schedule.nowMs === secondMs) {
      world.invariants.second();
      secondMs += SECOND_MS;
    }
    for (const fault of source.take(schedule.nowMs)) {
      faults.inject(fault);
    }
  }
}

/** A majority that is whole takes writes, whatever the others do. */
function coreGoesOn(world: World, core: Core): void {
  const from = world.canon.revision;
  const untilMs = world.schedule.nowMs + CORE_MS_MAX;
  do {
    advance(world, CORE_MS_MIN);
  } while (world.canon.revision < from + CORE_REVISIONS && world.schedule.nowMs < untilMs);
  demand(
    world.canon.revision >= from + CORE_REVISIONS,
    () =>
      `${world.canon.revision - from} revisions in ${CORE_MS_MAX} ms while a majority was whole, and ` +
      core.map(({ node, how }) => `${node} ${how}`).join(", "),
  );
}

/**
 * Sockets that break, all of them at once and again and again, depose nobody who answers, nor does
 * anybody who was removed. A leader that removes itself, or is asked to hand over, has a successor.
 */
function undisturbed({ options, invariants }: World): void {
  const { leaderChanges, reasonsToChange } = invariants;
  if (options.hasOnlyStorms) {
    demand(
      leaderChanges <= reasonsToChange,
      () => `${leaderChanges} leaders for ${reasonsToChange} reasons, and only sockets broke`,
    );
  }
}

/** Who was removed, and runs on, disturbs nobody. */
function rest(world: World): void {
  const leading = (): string =>
    world.members
      .map((node) => node.status())
      .map((status) => `${status?.id} ${status?.role} ${status?.term}`)
      .join(", ");
  const before = leading();
  if (world.standing.length > world.members.length) {
    advance(world, REST_MS);
    demand(leading() === before, () => `${before} at rest; ${REST_MS} ms later ${leading()}`);
  }
}

/** Liveness: within the time, one leader, every client answered, every watcher and node current. */
function settle(
  world: World,
  clients: readonly SimClient[],
  watchers: readonly SimWatcher[],
): void {
  const untilMs = world.schedule.nowMs + world.options.livenessMs;
  let open = "";
  let isStill = false;
  do {
    if (!isStill && !world.nodes.some((node) => node.isHeldUp) && hasCaughtUp(world)) {
      isStill = true;
      world.recorder.record({ type: "calm" });
    }
    advance(world, SECOND_MS);
    const statuses = world.members.map((node) => node.status());
    const leaders = world.leaders.map(({ id }) => id);
    const unsettled = clients
      .filter((client) => !client.isSettled)
      .map((client) => client.describe);
    const behind = watchers.filter((watcher) => !watcher.isCurrent).map(({ name }) => name);
    const ghosts = clients.flatMap((client) => client.ghosts);
    const returning = world.members.filter(({ disk }) => disk.isReturning).map(({ id }) => id);
    const applied = new Set(statuses.map((status) => status?.lastApplied));
    const confs = new Set(statuses.map((status) => status && textOf(status.conf)));
    const { latest } = world.configurations;
    const isJoint = latest.votersOutgoing.length > 0;
    const isLed = leaders.length === 1 && latest.voters.includes(leaders[0] ?? "");
    const { unanswered } = world.operator;
    open = [
      isLed ? "" : `${leaders.length} leaders ${leaders.join(" ")}`,
      unsettled.length === 0 ? "" : `unanswered: ${unsettled.join(" ")}`,
      behind.length === 0 ? "" : `behind: ${behind.join(" ")}`,
      ghosts.length === 0 ? "" : `not expired: ${ghosts.join(" ")}`,
      returning.length === 0 ? "" : `not back: ${returning.join(" ")}`,
      applied.size === 1 ? "" : `applied: ${[...applied].join(" ")}`,
      !isJoint && confs.size === 1 && confs.has(textOf(latest)) ? "" : [...confs].join(" "),
      unanswered.length === 0 ? "" : `asked: ${unanswered.join(" ")}`,
    ]
      .filter((text) => text !== "")
      .join(", ");
  } while (open !== "" && world.schedule.nowMs < untilMs);
  demand(open === "", () => `not settled ${world.options.livenessMs} ms after healing: ${open}`);
}

/**
 * Who is behind is not over what was done to it. A leader has no leases yet while one of its majority
 * is being sent a snapshot; and a node that catches up tells of a client that resumes there until it
 * can answer it, which keeps the session alive. So does one that was removed and has not heard of it.
 */
function hasCaughtUp({ leaders, members, nodes }: World): boolean {
  const status = leaders.at(-1)?.status();
  if (status?.role !== "leader" || status.commitIndex !== status.lastIndex) return false;
  const isBehind = (node: SimNode): boolean => node.status()?.lastApplied !== status.commitIndex;
  const followers = nodes.filter((node) => (node.status()?.leader ?? null) !== null);
  return ![...members, ...followers].some(isBehind);
}

/** What clients were told, held against the promises; null where all are kept. */
function brokenPromise({ recorder: { history } }: World, { findings }: Verdict): string | null {
  const [first] = findings;
  return first === undefined ? null : `Violation: ${report(history, first)}`;
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i + 1);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
