import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ConfHistory } from "../../src/raft/conf-history.ts";
import { RaftLog } from "../../src/raft/log.ts";
import type { ConfState, Entry, LogIndex } from "../../src/raft/types.ts";
import { confCodec } from "../../src/wire/conf-codec.ts";
import { votersConf } from "./cluster.ts";
import { confEntry, shown } from "./members.ts";

const birth = votersConf(["n0"]);

/** The last configuration at or before `index`, by looking at every entry. */
function scanned(log: RaftLog, base: ConfState, index: LogIndex): ConfState {
  let conf = base;
  for (let at = log.firstIndex; at <= index; at++) {
    const entry = log.entryAt(at);
    if (entry?.kind === "conf") conf = confCodec.decode(entry.data);
  }
  return conf;
}

const step = fc.record({
  /** How much of the log is cut off first, in tenths. */
  cut: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.nat(10)),
  /** Each a command, or a configuration of so many voters. */
  entries: fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 5 })), { maxLength: 4 }),
});

describe("the configuration in force", () => {
  test("is what a scan of the log finds, whatever is appended and cut off", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const log = new RaftLog({ index: 5, term: 1 }, []);
        const confs = new ConfHistory(confCodec, { index: 5, conf: birth });
        steps.forEach(({ cut, entries }, term) => {
          const length = log.lastIndex - 5;
          const cutCount = Math.ceil((length * cut) / 10);
          if (cutCount > 0) log.truncate(log.lastIndex + 1 - cutCount);
          log.append(
            entries.map((size, at): Entry => {
              const index = log.lastIndex + 1 + at;
              const voters = Array.from({ length: size }, (_, voter) => `n${voter}`);
              return size === 0
                ? { index, term: term + 1, kind: "commands", data: new Uint8Array(1) }
                : confEntry(index, term + 1, voters);
            }),
          );
          const before = confs.inForce;
          expect(confs.refresh(log)).toBe(confs.inForce !== before);
          confs.checkInvariants(log);
          log.checkInvariants();
          expect(confs.inForce).toEqual(scanned(log, birth, log.lastIndex));
          for (let index = 5; index <= log.lastIndex; index++) {
            expect(confs.at(index)).toEqual(scanned(log, birth, index));
          }
          const base = 5 + Math.floor((log.lastIndex - 5) / 2);
          const since = new Set(confs.since(base).map(shown));
          for (let index = base; index <= log.lastIndex; index++) {
            expect(since).toContain(shown(scanned(log, birth, index)));
          }
        });
      }),
    );
  });

  test("is the snapshot's where the log behind it holds none, and never an older one", () => {
    const entries = [confEntry(1, 1, ["n1"]), confEntry(2, 1, ["n2"]), confEntry(3, 1, ["n3"])];
    const log = new RaftLog({ index: 0, term: 0 }, entries);
    // The log keeps a tail of what the snapshot holds as well.
    const confs = new ConfHistory(confCodec, { index: 2, conf: votersConf(["n2"]) });
    confs.refresh(log);
    expect([shown(confs.inForce), confs.inForceIndex, shown(confs.at(2))]).toEqual(["n3", 3, "n2"]);
    log.truncate(2);
    confs.refresh(log);
    expect([shown(confs.inForce), confs.inForceIndex]).toEqual(["n2", 2]);
  });

  test("stays in force when the log is cut behind a snapshot that holds it", () => {
    const log = new RaftLog({ index: 0, term: 0 }, [
      confEntry(1, 1, ["n1"]),
      confEntry(2, 1, ["n2"]),
    ]);
    const confs = new ConfHistory(confCodec, { index: 0, conf: birth });
    confs.refresh(log);
    confs.rebase({ index: 1, conf: confs.at(1) }, log, 2);
    expect([shown(confs.at(1)), shown(confs.inForce)]).toEqual(["n1", "n2"]);
    confs.rebase({ index: 2, conf: confs.at(2) }, new RaftLog({ index: 2, term: 1 }, []), 2);
    expect([shown(confs.inForce), confs.inForceIndex]).toEqual(["n2", 2]);
    expect(() => confs.at(1)).toThrow("no configuration is known as of 1");
  });

  test("somebody is gone who was in one before, and not who is yet to come", () => {
    const log = new RaftLog({ index: 0, term: 0 }, [
      confEntry(1, 1, ["n0"], [], ["n1"]),
      confEntry(2, 1, ["n0"]),
    ]);
    const confs = new ConfHistory(confCodec, { index: 0, conf: birth });
    confs.refresh(log);
    expect([0, 1, 2].map((index) => confs.isGone("n1", index))).toEqual([false, false, true]);
    expect(confs.isGone("n0", 2)).toBe(false);
    const snapshot = { index: 2, conf: confs.at(2) };
    confs.rebase(snapshot, new RaftLog({ index: 2, term: 1 }, []), 2);
    expect([confs.isGone("n1", 2), confs.isGone("n0", 2)]).toEqual([true, false]);
  });

  test("nobody is gone who was in none but one that was lost", () => {
    const log = new RaftLog({ index: 0, term: 0 }, [
      confEntry(1, 1, ["n0"]),
      confEntry(2, 1, ["n0"], [], ["n1"]),
    ]);
    const confs = new ConfHistory(confCodec, { index: 0, conf: birth });
    confs.refresh(log);
    log.restore({ index: 3, term: 2 });
    confs.rebase({ index: 3, conf: birth }, log, 1);
    expect(confs.isGone("n1", 3)).toBe(false);
  });
});
