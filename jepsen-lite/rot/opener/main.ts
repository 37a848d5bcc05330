import { nodeClock, nodeRandom, nodeTimers } from "../../../src/env/node-env.ts";
import { LOG_PAGE_BYTES_MAX } from "../../../src/limits.ts";
import { Healing } from "../../../src/server/healing.ts";
import type { LogQuestions } from "../../../src/server/log-page.ts";
import { LogDamaged } from "../../../src/storage/damage.ts";
import { type DataDirectory, openDirectory } from "../../../src/storage/directory.ts";
import type { Salvage } from "../../../src/storage/salvage.ts";
import { StorageError } from "../../../src/storage/storage.ts";
import { contentOf, contentOfChunks, type Job, type Outcome } from "../outcome.ts";

/**
 * Opens one data directory after the other as a node does at its start, heals its log as a node
 * does, with one peer, and tells what came of it. A process of its own, since some files may end it.
 */

const PEER = "n2";
const ROUNDS_MAX = 3;

let peer: { readonly path: string; readonly directory: DataDirectory } | null = null;

async function peerAt(path: string): Promise<DataDirectory> {
  if (peer?.path === path) return peer.directory;
  await peer?.directory.close();
  peer = { path, directory: await openDirectory(path, PEER, nodeRandom) };
  return peer.directory;
}

async function open(job: Job): Promise<Outcome> {
  let directory = await openDirectory(job.path, job.name, nodeRandom);
  try {
    if (directory.birth === null) return { type: "unborn" };
    try {
      return await told(directory, "started");
    } catch (error) {
      if (!(error instanceof LogDamaged)) throw error;
      const salvage = await directory.salvage();
      const waitsFor = await heal(salvage, error, job);
      if (waitsFor !== null) return { type: "waits", message: `${error.message}: ${waitsFor}` };
      await directory.close();
      directory = await openDirectory(job.path, job.name, nodeRandom);
      const isWhole = salvage.repair.state.type === "whole";
      return await told(directory, isWhole ? "repaired" : "setAside");
    }
  } finally {
    await directory.close();
  }
}

/** What it still waits for after a few rounds, or null where the directory has a log again. */
async function heal(
  salvage: Salvage,
  damage: LogDamaged,
  { name, peer: path, isLed }: Job,
): Promise<string | null> {
  let rounds = 0;
  const ask: LogQuestions = {
    entries: async (_place, to) => {
      const { source } = await peerAt(path);
      return {
        leader: isLed ? PEER : null,
        values: await source.readDownFrom(to, LOG_PAGE_BYTES_MAX),
      };
    },
    snapshotRecord: async () => (await peerAt(path)).source.readPointer(),
    chunks: async (_place, id, first) =>
      (await peerAt(path)).source.readChunksFrom(id, first, LOG_PAGE_BYTES_MAX),
  };
  const healing: Healing = new Healing({
    salvage,
    damage,
    lineage: "",
    name,
    members: [PEER],
    placesOf: (member) => (member === PEER ? [member] : []),
    ask,
    timers: {
      ...nodeTimers,
      after: (_delayMs, run) => {
        rounds += 1;
        if (rounds === ROUNDS_MAX) healing.stop();
        return nodeTimers.after(0, run);
      },
    },
    random: nodeRandom,
    // A leader goes on leading from one round to the next.
    clock: { ...nodeClock, monotonicMs: () => rounds * 60_000 },
    logger: silent,
  });
  return (await healing.run()) ? null : healing.waitingFor();
}

async function told(
  directory: DataDirectory,
  way: "started" | "repaired" | "setAside",
): Promise<Outcome> {
  const { loaded, storage } = await directory.open();
  const chunks: Uint8Array[] = [];
  for await (const chunk of storage.chunks()) chunks.push(chunk);
  const { hardState, snapshot, logStart, entries, commitIndex } = loaded;
  return {
    type: "opened",
    way,
    incarnation: directory.identity.incarnation,
    clusterId: directory.birth?.clusterId ?? null,
    hardState,
    snapshot:
      snapshot === null
        ? null
        : {
            index: snapshot.index,
            nonce: snapshot.nonce,
            term: snapshot.term,
            content: contentOfChunks(chunks),
          },
    logStart,
    entries: entries.map(contentOf),
    commitIndex,
    lostEnd: directory.returning?.lostEnd ?? null,
  };
}

const silent = { debug() {}, info() {}, warn() {}, error() {} };

async function answer(job: Job): Promise<Outcome> {
  try {
    return await open(job);
  } catch (error) {
    if (!(error instanceof StorageError)) {
      return { type: "crashed", how: error instanceof Error ? `${error.stack}` : String(error) };
    }
    const { code, message, hint } = error;
    return { type: "refused", code, message, hint };
  }
}

process.once("disconnect", () => process.exit());
process.on("message", (job: Job) => {
  void answer(job).then((outcome) => process.send?.(outcome));
});
