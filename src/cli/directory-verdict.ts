import { DISK_ROOM_BYTES_LOW } from "../limits.ts";
import type { Examined } from "../server/examine-directory.ts";
import { bytesText } from "./bytes.ts";
import {
  broken,
  counted,
  type Finding,
  majorityOf,
  type Verdict,
  verdictOf,
  warning,
} from "./verdict.ts";

const HEALS =
  "start its node while the other members run: it fetches what is missing from them. Keep the directory as it is until then, recovery may need it";
const REPLACE =
  "a new member takes its place: 'rollcall start --join HOST:PORT --learner' with an empty directory, then 'rollcall member replace OLD NEW'";

/** What is wrong with data directories, and which of them is the most up to date. */
export function judgeDirectories(examined: readonly Examined[]): Verdict {
  const findings = [...examined.flatMap(ofDirectory), ...together(examined)];
  return verdictOf(findings, bestText(examined) ?? "nothing is damaged");
}

/** In a few words each. */
export function notesOfDirectory(directory: Examined): readonly string[] {
  const { state, why, birth, removed, superseded, isSetAside, returning, damages } = directory;
  const refusing = damages.filter(({ isMended }) => !isMended);
  return [
    state === "running" ? "its node runs" : "",
    state === "none" || state === "newer" ? (why ?? "") : "",
    state === "read" && birth === null ? "not part of a cluster" : "",
    removed === null ? "" : "removed",
    superseded === null ? "" : "superseded",
    isSetAside ? "set aside at the next start" : "",
    returning === null ? "" : "returning",
    refusing.length === 0 ? "" : `damaged: ${refusing.map(({ file }) => file).join(", ")}`,
  ].filter((note) => note !== "");
}

function ofDirectory(directory: Examined): readonly Finding[] {
  const { path, state, why, damages, removed, superseded, disk, isSetAside, returning } = directory;
  switch (state) {
    case "none":
      return [broken(`${path} is no data directory: ${why}`, "give the --data of a node")];
    case "newer":
      return [
        broken(`${path}: ${why}`, "look at it with the Rollcall that wrote it, or a newer one"),
      ];
    case "running":
      return [
        broken(
          `a node runs on ${path}, so its log, vote and mark were not read`,
          "ask the node itself: 'rollcall doctor --server HOST:PORT'",
        ),
      ];
    default:
      break;
  }
  const findings: Finding[] = damages.map(({ file, text, isMended }) => {
    if (isMended) return warning(`${path}/${file}: ${text}`, "nothing: the next start mends it");
    if (/^db(?:\.\d+)?(?:\/|$)/.test(file)) return broken(`${path}/${file}: ${text}`, HEALS);
    return broken(
      `${path}/${file}: ${text}`,
      `keep the directory as it is, recovery may need it. While a majority of the voters runs, ${REPLACE}`,
    );
  });
  if (why !== null && damages.every(({ isMended }) => isMended)) {
    findings.push(
      broken(
        `${path}: ${why}`,
        "run it as the user of the node, see to its disk, and to room in the temporary directory (TMPDIR)",
      ),
    );
  }
  if (removed !== null || superseded !== null) {
    findings.push(
      warning(
        `${path} is of no use any more: ${removed ?? superseded}`,
        "to add its machine again: 'rollcall start --join HOST:PORT' with an empty directory",
      ),
    );
  }
  if (isSetAside || returning !== null) {
    findings.push(
      warning(
        `${path} is ${isSetAside ? "to be" : ""} without the log that its node had`.replace(
          "  ",
          " ",
        ),
        "start it while the others run: it takes their state, and cannot be elected before",
      ),
    );
  }
  if (disk !== null && disk.freeBytes < DISK_ROOM_BYTES_LOW) {
    findings.push(
      warning(
        `the disk of ${path} has ${bytesText(disk.freeBytes)} left of ${bytesText(disk.totalBytes)}`,
        "make room: a node that has too little takes no registrations (--disk-low), or no entries at all (--disk-full)",
      ),
    );
  }
  return findings;
}

function together(examined: readonly Examined[]): readonly Finding[] {
  const findings: Finding[] = [];
  const clusters = new Map<string, Examined[]>();
  const incarnations = new Map<string, Examined[]>();
  for (const directory of examined) {
    const { birth, identity } = directory;
    if (birth !== null) add(clusters, `${birth.clusterId}.${birth.epoch}`, directory);
    if (identity !== null) add(incarnations, identity.incarnation, directory);
  }
  if (clusters.size > 1) {
    const each = [...clusters].map(
      ([lineage, of]) => `${lineage} (${of.map(({ path }) => path).join(", ")})`,
    );
    findings.push(
      broken(
        `these directories belong to ${counted(clusters.size, "cluster")}: ${each.join("; ")}`,
        "look at those of one cluster at a time",
      ),
    );
  }
  for (const copies of incarnations.values()) {
    if (copies.length < 2) continue;
    findings.push(
      broken(
        `${copies.map(({ path }) => path).join(" and ")} are copies of one directory, of ${copies[0]?.identity?.name}`,
        "start at most one of them, and only one that was made since the node last ran: an older one has forgotten votes and acknowledgements",
      ),
    );
  }
  return findings;
}

function add(groups: Map<string, Examined[]>, key: string, directory: Examined): void {
  groups.set(key, [...(groups.get(key) ?? []), directory]);
}

/** By the rule for votes (§5.4.1): the later term of the last entry, then the longer log. */
export function bestOf(
  examined: readonly Examined[],
  isFit: (directory: Examined) => boolean = isUsable,
): readonly Examined[] {
  const whole = examined.filter(isFit);
  const behind = (one: Examined, other: Examined): number =>
    (one.log?.lastTerm ?? 0) - (other.log?.lastTerm ?? 0) ||
    (one.log?.lastIndex ?? 0) - (other.log?.lastIndex ?? 0);
  return whole.filter((one) => whole.every((other) => behind(one, other) >= 0));
}

/** A node could be started on it, and be elected. */
export function isUsable(directory: Examined): boolean {
  return hasWholeLog(directory) && directory.damages.every(({ isMended }) => isMended);
}

/** A cluster could go on from it in another epoch, in which nobody asks how it has voted. */
export function hasWholeLog({
  state,
  log,
  damages,
  removed,
  superseded,
  returning,
  isSetAside,
  birth,
}: Examined): boolean {
  const isWhole =
    damages.every(({ isMended, file }) => isMended || /^vote-[ab]$/.test(file)) &&
    log?.isIntact === true;
  const isOver = removed !== null || superseded !== null;
  const isMember = birth !== null && !isOver && returning === null && !isSetAside;
  return state === "read" && isWhole && isMember;
}

/** The paths of the most up to date ones. */
export function mostUpToDate(examined: readonly Examined[]): readonly string[] {
  return bestOf(examined).map(({ path }) => path);
}

/** Which directory has the most, whatever is wrong with others; null where none could lead. */
export function bestText(examined: readonly Examined[]): string | null {
  const [best, ...equal] = bestOf(examined);
  if (best?.log == null) return null;
  const { lastIndex, lastTerm } = best.log;
  const end = `entry ${lastIndex} of term ${lastTerm}`;
  if (examined.length === 1) return `${named(best)} is whole, up to ${end}`;
  const whole = examined.filter(isUsable);
  const who =
    equal.length === 0
      ? `${named(best)} is the most up to date`
      : `${[best, ...equal].map(named).join(" and ")} are equally up to date`;
  return `${who}, with ${end}; ${votersText(whole, best)}`;
}

export interface Voters {
  /** Of those that vote by the best directory: how many are here, and whole. */
  readonly here: number;
  readonly known: readonly { readonly id: string; readonly name: string }[];
  /** Whether they are enough to elect a leader. */
  readonly areQuorum: boolean;
  /** How many that takes, for people. */
  readonly wanted: string;
  /** Those that are not. */
  readonly missing: readonly string[];
}

/** What each voter has is counted once. */
export function votersOf(
  whole: readonly Examined[],
  { voters, voterHalves }: Pick<Examined, "voters" | "voterHalves">,
): Voters {
  const ids = new Set<string>(whole.flatMap(({ identity }) => identity?.incarnation ?? []));
  const known = voters ?? [];
  const missing = known.filter(({ id }) => !ids.has(id)).map(({ name }) => name);
  const here = known.length - missing.length;
  const areQuorum = voterHalves.every(
    (half) => half.filter((id) => ids.has(id)).length >= majorityOf(half.length),
  );
  const nameOf = (id: string): string => known.find((voter) => voter.id === id)?.name ?? id;
  const wanted =
    voterHalves.length > 1
      ? `a majority each of ${voterHalves.map((half) => half.map(nameOf).join(", ")).join(" and of ")} is needed`
      : `a majority is ${majorityOf(known.length)}`;
  return { here, known, areQuorum: areQuorum && known.length > 0, wanted, missing };
}

function votersText(whole: readonly Examined[], best: Examined): string {
  const { here, known, areQuorum, wanted } = votersOf(whole, best);
  const are = `${here} of ${counted(known.length, "voter")} ${here === 1 ? "is" : "are"} here and whole`;
  return areQuorum ? `${are}, a majority: start them` : `${are}, ${wanted}`;
}

function named({ path, identity }: Examined): string {
  return identity === null ? path : `${path} (${identity.name})`;
}
