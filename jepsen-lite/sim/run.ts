import { AssertionError } from "../../src/util/assert.ts";
import type { Core, Fault, FaultSource } from "./fault.ts";
import { ListedFaults } from "./fault.ts";
import { DrawnFaults, drawCore } from "./fault-drawing.ts";
import { type FaultCounts, Faults } from "./faults.ts";
import { drawOptions, type SimOptions } from "./options.ts";
import { Prng } from "./prng.ts";
import { SimClient } from "./sim-client.ts";
import { SimWatcher } from "./sim-watcher.ts";
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
  readonly definiteRefusals: number;
  readonly snapshots: { readonly taken: number; readonly installed: number };
  /** Members that came back without their logs, and have them again. */
  readonly returned: number;
  readonly faults: FaultCounts;
}

const SECOND_MS = 1_000;
/** The healed cluster has to take new writes before it comes to rest. */
const HEALED_TRAFFIC_MS = 3_000;
/** What is left of pauses and hanging disks is over by then, and elections. */
const CORE_MS_MAX = 15_000;
const CORE_MS_MIN = 3_000;
const CORE_REVISIONS = 3;

/** What makes a run what it is, beside the code. */
export interface Plan {
  readonly seed: number;
  readonly options: SimOptions;
  /** null: drawn from the seed while it runs. */
  readonly faults: readonly Fault[] | null;
  readonly core: Core | null;
}

export function planOf(seed: number): Plan {
  const options = drawOptions(new Prng(seed, 1));
  const core = options.faults.asideMs > 0 ? null : drawCore(options, new Prng(seed, 3));
  return { seed, options, faults: null, core };
}

export function run(seed: number): RunResult {
  return follow(planOf(seed)).result;
}

/**
 * One run: faults for a while, perhaps a time in which only a majority is whole, then a healed
 * cluster that has to come to rest and agree. `plan` is the same one with its faults written out.
 */
export function follow(plan: Plan): { readonly result: RunResult; readonly plan: Plan } {
  const { seed, options, core } = plan;
  const world = new World(seed, options);
  const clients = range(options.clients).map((i) => new SimClient(`c${i}`, world));
  const watchers = range(options.watchers).map((i) => new SimWatcher(`w${i}`, world));
  const faults = new Faults(world, clients, watchers);
  let violation: string | null = null;
  try {
    start(world, clients, watchers);
    disturb(world, faults, sourceOf(plan, world, clients, watchers));
    undisturbed(world);
    if (core !== null) {
      faults.healCore(core);
      coreGoesOn(world, core);
    }
    faults.heal();
    advance(world, HEALED_TRAFFIC_MS);
    for (const client of clients) {
      client.quiesce();
    }
    settle(world, clients, watchers);
    agree(world, clients);
  } catch (error) {
    if (!(error instanceof Violation || error instanceof AssertionError)) {
      throw error;
    }
    violation = `${error.name}: ${error.message}`;
  }
  const result: RunResult = {
    seed,
    options,
    violation,
    simulatedMs: world.schedule.nowMs,
    events: world.schedule.events,
    traceHash: world.traceHash,
    revisions: world.canon.revision,
    leaderChanges: world.invariants.leaderChanges,
    acknowledged: sum(clients.map((client) => client.acknowledged)),
    deliveries: sum(watchers.map((watcher) => watcher.deliveries)),
    reads: sum(watchers.map((watcher) => watcher.reads)),
    definiteRefusals: world.neverHappened().size,
    snapshots: world.invariants.snapshots,
    returned: world.invariants.returned,
    faults: faults.counts,
  };
  return { result, plan: { ...plan, faults: faults.injected } };
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
  return new DrawnFaults(options, new Prng(seed, 2), {
    nodes: world.nodes.map(({ id }) => id),
    clients: clients.map(({ name }) => name),
    watchers: watchers.map(({ name }) => name),
    leader: () => world.nodes.find((node) => node.status()?.role === "leader")?.id ?? null,
  });
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
      core.rest.map(({ node, how }) => `${node} ${how}`).join(", "),
  );
}

/** Sockets that break, all of them at once and again and again, depose nobody who answers. */
function undisturbed({ options, invariants }: World): void {
  const { leaderChanges } = invariants;
  if (options.hasOnlyStorms) {
    demand(leaderChanges === 1, () => `${leaderChanges} leaders, and nothing but sockets broke`);
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
  do {
    advance(world, SECOND_MS);
    const statuses = world.nodes.map((node) => node.status());
    const leaders = statuses.filter((status) => status?.role === "leader").length;
    const unsettled = clients
      .filter((client) => !client.isSettled)
      .map((client) => client.describe);
    const behind = watchers.filter((watcher) => !watcher.isCurrent).map(({ name }) => name);
    const applied = new Set(statuses.map((status) => status?.lastApplied));
    open = [
      leaders === 1 ? "" : `${leaders} leaders`,
      unsettled.length === 0 ? "" : `unanswered: ${unsettled.join(" ")}`,
      behind.length === 0 ? "" : `behind: ${behind.join(" ")}`,
      world.nodes.some(({ disk }) => disk.isReturning) ? "one that returns" : "",
      applied.size === 1 ? "" : `applied: ${[...applied].join(" ")}`,
    ]
      .filter((text) => text !== "")
      .join(", ");
  } while (open !== "" && world.schedule.nowMs < untilMs);
  demand(open === "", () => `not settled ${world.options.livenessMs} ms after healing: ${open}`);
}

/** Nothing acknowledged is lost, nothing happened twice, all replicas are equal. */
function agree(world: World, clients: readonly SimClient[]): void {
  world.invariants.disksAgree();
  for (const [effect, count] of world.canon.effects()) {
    demand(count === 1, () => `${effect} came to be ${count} times`);
    demand(
      !world.neverHappened().has(effect),
      () => `${effect} came to be after it had been refused definitely`,
    );
  }
  const all = [
    ...world.canon.viewAt(selectAll("a"), world.canon.revision),
    ...world.canon.viewAt(selectAll("b"), world.canon.revision),
  ];
  const view = new Map<string, string>(all);
  for (const client of clients) {
    for (const [key, possible] of client.expectation ?? []) {
      const found = view.get(key) ?? null;
      demand(
        possible.has(found),
        () => `${client.name} left ${JSON.stringify([...possible])} at ${key}, there is ${found}`,
      );
    }
  }
}

function selectAll(application: string) {
  return { namespace: "default", application, protocol: null, meta: [] };
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i + 1);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
