/**
 * The load generator: a process that keeps a fixed number of requests in flight over the client
 * protocol and says how many were answered and how fast. Rollcall and the bare pipeline speak the
 * same dialect to it, so what the client costs is the same for both.
 *
 *   node dist/test/bench/load.js --url ws://127.0.0.1:7420 --in-flight 64 --connections 8
 *
 * As a child of `main.ts` it takes one order after another instead: a process that lives through
 * all slices has warm code in every one of them.
 */
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { type Load, LoadConnection } from "./load-connection.ts";
import { between, type ProcessorTimes, perOperation, processorTimes } from "./processor.ts";
import { SETTLE_MS_MAX, type SliceFigures, type SliceOrder, type SliceOutcome } from "./slice.ts";
import { percentile } from "./statistics.ts";

const META = { cluster: "small", idc: "shanghai", tag: "read" };
const PROTOCOL = "http";
/** Neighbouring registrations of a connection that share an application. */
const INSTANCES_PER_APPLICATION = 100;
const SETTLE_POLL_MS = 50;
const STALE_MS = 5_000;

/** The answers that came within the slice proper. */
class Window {
  readonly #fromMs: number;
  readonly #untilMs: number;
  readonly #latenciesMs: number[] = [];

  constructor(fromMs: number, durationMs: number) {
    this.#fromMs = fromMs;
    this.#untilMs = fromMs + durationMs;
  }

  readonly onReply = (sentAtMs: number, nowMs: number): void => {
    if (nowMs >= this.#fromMs && nowMs < this.#untilMs) this.#latenciesMs.push(nowMs - sentAtMs);
  };

  figures(processorUs: ProcessorTimes | null): SliceFigures {
    const ops = this.#latenciesMs.length;
    if (ops === 0) throw new Error("no answer within the slice");
    return {
      opsPerSecond: (ops * 1000) / (this.#untilMs - this.#fromMs),
      ops,
      p50Ms: percentile(this.#latenciesMs, 50),
      p99Ms: percentile(this.#latenciesMs, 99),
      processorUs: processorUs === null ? null : perOperation(processorUs, ops),
    };
  }
}

/** Names that no other slice uses: each registration is of a new instance. */
class Names {
  readonly #slice = randomBytes(3).toString("hex");
  readonly #connection: number;

  constructor(connection: number) {
    this.#connection = connection;
  }

  application(n: number): string {
    const block = String(Math.floor(n / INSTANCES_PER_APPLICATION)).padStart(4, "0");
    return `app-${this.#slice}-${String(this.#connection).padStart(2, "0")}-${block}`;
  }

  addr(n: number): string {
    return `10.${this.#connection}.${n >> 8}.${n & 255}:8080`;
  }
}

async function isGone(connection: LoadConnection, application: string): Promise<boolean> {
  const reply = await connection.call((id) => ({ type: "get", id, selector: { application } }));
  return reply.endpoints?.length === 0;
}

/** Leaves, and waits until the removal of what was registered is done: it belongs to no slice. */
async function leave(connection: LoadConnection, applications: readonly string[]): Promise<void> {
  await connection.write((id, seq) => ({ type: "bye", id, seq, low: seq }));
  for (const application of applications) {
    while (!(await isGone(connection, application))) await sleep(SETTLE_POLL_MS);
  }
}

type Connect = () => Promise<LoadConnection>;

/** What each connection sends, and how to leave nothing behind. */
interface Plan {
  readonly connections: readonly LoadConnection[];
  readonly request: (connection: number) => Load["request"];
  readonly leave: () => Promise<void>;
}

async function registering(order: SliceOrder, connect: Connect): Promise<Plan> {
  const connections = await Promise.all(Array.from({ length: order.connections }, connect));
  const names = connections.map((_, index) => new Names(index));
  for (const connection of connections) await connection.openSession();
  return {
    connections,
    request: (index) => {
      const own = names[index]!;
      return (id, low) => ({
        type: "register",
        id,
        seq: id,
        low,
        application: own.application(id),
        protocol: PROTOCOL,
        addr: own.addr(id),
        meta: META,
      });
    },
    leave: async () => {
      for (const [index, connection] of connections.entries()) {
        const own = names[index]!;
        await leave(connection, [own.application(1), own.application(connection.sent)]);
      }
    },
  };
}

async function reading(order: SliceOrder, connect: Connect): Promise<Plan> {
  if (order.work.kind !== "get") throw new Error("not a read");
  const { list } = order.work;
  const read = order.work.read === "stale" ? { staleMs: STALE_MS } : "linearizable";
  const names = new Names(0);
  const application = names.application(0);
  const owner = await connect();
  await owner.openSession();
  const instances = Array.from({ length: list }, (_, n) => ({
    application,
    protocol: PROTOCOL,
    addr: names.addr(n),
    meta: META,
  }));
  await owner.write((id, seq) => ({ type: "register", id, seq, low: seq, instances }));
  const connections = await Promise.all(Array.from({ length: order.connections }, connect));
  return {
    connections,
    request: () => (id) => ({ type: "get", id, selector: { application }, read }),
    leave: () => leave(owner, [application]),
  };
}

function failAfter(ms: number): { failed: Promise<never>; fail: (error: Error) => void } {
  let fail: (error: Error) => void = () => {};
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  failed.catch(() => {});
  setTimeout(() => fail(new Error("the slice took too long")), ms).unref();
  return { failed, fail };
}

async function runSlice(order: SliceOrder): Promise<SliceFigures> {
  const open: LoadConnection[] = [];
  const { failed, fail } = failAfter(order.warmUpMs + order.durationMs + SETTLE_MS_MAX);
  const connect = async (): Promise<LoadConnection> => {
    const connection = await LoadConnection.connect(order.target.url, fail);
    open.push(connection);
    return connection;
  };
  const measure = async (): Promise<SliceFigures> => {
    const plan = await (order.work.kind === "register" ? registering : reading)(order, connect);
    const window = new Window(performance.now() + order.warmUpMs, order.durationMs);
    for (const [index, connection] of plan.connections.entries()) {
      const load = { request: plan.request(index), onReply: window.onReply };
      connection.start(load, order.inFlight / order.connections);
    }
    await sleep(order.warmUpMs);
    const before = processorTimes(order.target.pids);
    await sleep(order.durationMs);
    const after = processorTimes(order.target.pids);
    await Promise.all(plan.connections.map((connection) => connection.stop()));
    await plan.leave();
    return window.figures(before && after && between(before, after));
  };
  try {
    return await Promise.race([measure(), failed]);
  } finally {
    for (const connection of open) connection.close();
  }
}

async function outcomeOf(order: SliceOrder): Promise<SliceOutcome> {
  try {
    return { ok: true, figures: await runSlice(order) };
  } catch (error) {
    return { ok: false, error: error instanceof Error ? error.message : String(error) };
  }
}

function serve(): void {
  process.on("disconnect", () => process.exit(0));
  process.on("message", (order: SliceOrder) => {
    void outcomeOf(order).then((outcome) => process.send?.(outcome));
  });
}

async function runOnce(): Promise<void> {
  const { values } = parseArgs({
    options: {
      url: { type: "string", default: "ws://127.0.0.1:7420" },
      "in-flight": { type: "string", default: "64" },
      connections: { type: "string", default: "8" },
      "warm-up-ms": { type: "string", default: "500" },
      "duration-ms": { type: "string", default: "2000" },
      work: { type: "string", default: "register" },
      list: { type: "string", default: "1" },
    },
  });
  const work = values.work;
  if (work !== "register" && work !== "linearizable" && work !== "stale") {
    throw new Error("--work is register, linearizable or stale");
  }
  const outcome = await outcomeOf({
    target: { url: values.url, pids: [] },
    inFlight: Number(values["in-flight"]),
    connections: Number(values.connections),
    warmUpMs: Number(values["warm-up-ms"]),
    durationMs: Number(values["duration-ms"]),
    work:
      work === "register" ? { kind: work } : { kind: "get", read: work, list: Number(values.list) },
  });
  console.log(JSON.stringify(outcome.ok ? outcome.figures : outcome));
  process.exit(outcome.ok ? 0 : 1);
}

if (process.send === undefined) await runOnce();
else serve();
