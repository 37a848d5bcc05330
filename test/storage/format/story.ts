import { confOf } from "../../../src/raft/conf-state.ts";
import type { ConfState, Entry, EntryKind, Snapshot } from "../../../src/raft/types.ts";
import type { Command } from "../../../src/registry/command.ts";
import { Registry } from "../../../src/registry/registry.ts";
import { commandCodec } from "../../../src/wire/command-codec.ts";
import { confCodec } from "../../../src/wire/conf-codec.ts";
import { snapshotCodec } from "../../../src/wire/snapshot-codec.ts";
import { key, spec } from "../../registry/commands.ts";

/** What the directories of format 1 hold: every kind of entry and every command. */

export const N1 = "a1b2c3d4e5f60718";
export const N2 = "0123456789abcdef";
export const CLUSTER_ID = "00112233445566778899aabbccddeeff";

const AT_MS = 1_700_000_000_000;
const [A, B, C, D] = ["aa", "bb", "cc", "dd"].map((byte) => byte.repeat(16)) as [
  string,
  string,
  string,
  string,
];
const SECRET_HASH = "5e".repeat(32);

const members = {
  n1: { id: N1, name: "n1", address: "" },
  n2: { id: N2, name: "n2", address: "127.0.0.1:7421" },
};
export const ALONE: ConfState = confOf([members.n1]);
const WITH_LEARNER: ConfState = {
  ...ALONE,
  learners: [N2],
  members: [members.n2, members.n1],
};

function open(session: string, client: string, ttlMs = 300_000): Command {
  const [secretHash, graceMs, appliedIndex] = [SECRET_HASH, 2_000, 1];
  return { type: "openSession", session, secretHash, ttlMs, graceMs, appliedIndex, client };
}

/** A log, and the state that it makes. */
export class Story {
  readonly registry = new Registry();
  readonly entries: Entry[] = [];

  noop(term: number): Entry {
    return this.#append(term, "noop", new Uint8Array());
  }

  conf(term: number, conf: ConfState): Entry {
    return this.#append(term, "conf", confCodec.encode(conf));
  }

  commands(term: number, ...commands: readonly Command[]): Entry {
    const atMs = AT_MS + this.entries.length * 1_000;
    const entry = this.#append(term, "commands", batch(atMs, commands));
    for (const command of commands) this.registry.apply({ ...entry, atMs }, command);
    return entry;
  }

  #append(term: number, kind: EntryKind, data: Uint8Array): Entry {
    const entry = { index: this.entries.length + 1, term, kind, data };
    this.entries.push(entry);
    return entry;
  }
}

function batch(atMs: number, commands: readonly Command[]): Uint8Array {
  return commandCodec.encodeBatch(
    atMs,
    commands.map((command) => commandCodec.encode(command)),
  );
}

export const SNAPSHOT_INDEX = 64;

/** Entries 1 to 64, in terms 1 and 2: sessions that live, ended and expired, and what they own. */
export function firstPart(story: Story): void {
  story.noop(1);
  story.commands(1, open(A, "provider 1.0"), open(B, "provider 1.0", 3_000));
  const full = spec("10.0.0.1:80", {
    meta: [
      ["cluster", "small"],
      ["idc", "上海"],
    ],
    weight: 0,
    version: "1.2.3",
    location: { region: "eu", zone: "eu-1", campus: "c1" },
    status: "draining",
    reason: "deploy",
  });
  const kept = spec("10.0.0.9:80", { application: "database", isPersistent: true });
  const of = (session: string, seq: number) => ({ session, seq, floor: 1 });
  story.commands(
    1,
    { type: "register", ...of(A, 1), instances: [full, spec("10.0.0.2:80")] },
    { type: "register", ...of(B, 1), instances: [spec("10.0.0.3:80"), kept] },
  );
  story.conf(1, WITH_LEARNER);
  story.noop(2);
  story.commands(
    2,
    {
      ...{ type: "update", ...of(A, 2), key: key("10.0.0.1:80"), ifRevision: 1 },
      set: { weight: 250, version: null, status: "up", reason: null },
    },
    { type: "deregister", ...of(A, 3), keys: [key("10.0.0.2:80")] },
    { type: "update", ...of(A, 4), key: key("10.0.0.8:80"), set: { weight: 1 }, ifRevision: null },
  );
  story.commands(2, open(C, "job"));
  story.commands(2, { type: "register", ...of(C, 1), instances: [spec("10.0.0.4:80")] });
  story.commands(2, { type: "closeSession", ...of(C, 2) });
  story.commands(
    2,
    { type: "expireSessions", term: 2, sessions: [{ session: B, reason: "ttl" }] },
    { type: "reapSession", session: B },
    { type: "raiseStateVersion", version: 1 },
  );
  for (let seq = 5; story.entries.length < SNAPSHOT_INDEX; seq += 1) {
    const instances = [spec(`10.0.1.${seq}:80`, { application: "fleet" })];
    story.commands(2, { type: "register", session: A, seq, floor: 4, instances });
  }
}

/** The state after the first part, in three chunks, and the snapshot that names them. */
export function snapshotOf(story: Story): { snapshot: Snapshot; chunks: Uint8Array[] } {
  const view = story.registry.freeze();
  const items = [...view.items()].map((item) => snapshotCodec.encodeItem(item));
  view.release();
  const third = Math.ceil(items.length / 3);
  const chunks = [0, 1, 2].map((at) =>
    snapshotCodec.joinItems(items.slice(at * third, (at + 1) * third)),
  );
  const bytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  const id = { index: SNAPSHOT_INDEX, term: 2, nonce: 0xfedcba987654 };
  const rest = { conf: WITH_LEARNER, chunks: chunks.length, bytes, digest: view.digest };
  return { snapshot: { ...id, ...rest }, chunks };
}

/** Entries 65 and 66 as a leader wrote them whose term nobody else took part in. */
export function lostEntries(): readonly Entry[] {
  const noop = { index: 65, term: 3, kind: "noop", data: new Uint8Array() } as const;
  const data = batch(AT_MS, [open(D, "never heard of")]);
  return [noop, { index: 66, term: 3, kind: "commands", data }];
}

/** Entries 65 to 69, in terms 4 and 5: they take the place of the lost ones. */
export function secondPart(story: Story): void {
  story.noop(4);
  story.commands(4, open(D, "provider 2.0"));
  story.conf(4, ALONE);
  story.noop(5);
  story.commands(
    5,
    { type: "register", session: D, seq: 1, floor: 1, instances: [spec("10.0.0.5:80")] },
    { type: "deregister", session: D, seq: 2, floor: 1, keys: [key("10.0.1.7:80", "fleet")] },
  );
}
