import { CLOCK_OFF_MS_HIGH, LEARNER_LAG_ENTRIES_MAX } from "../limits.ts";
import type { StatusPage } from "../server/status.ts";
import type { ClusterView, MemberView } from "./cluster-view.ts";
import { diskNote, ofDisk, refusals } from "./disk-verdict.ts";
import {
  broken,
  counted,
  type Finding,
  majorityOf,
  type Verdict,
  verdictOf,
  warning,
} from "./verdict.ts";

/** A member, or a server, that has answered. */
interface Answering extends MemberView {
  readonly status: StatusPage;
}

/** Why a cluster has no leader, and what else is wrong with it, by what its nodes have said. */
export function judgeCluster(view: ClusterView): Verdict {
  const answering = view.members.filter(isAnswering);
  if (answering.length === 0) {
    return verdictOf([nobody(view.members)], "");
  }
  const findings = [
    ...lineages(view),
    ...(view.leader === null ? [leaderless(view, answering)] : withLeader(view, answering)),
    ...answering
      .filter(({ status }) => status.isInDoubt)
      .slice(0, 1)
      .map(inDoubt),
    ...refusals(answering.map(({ status }) => status)),
    ...unmentioned(view).map(silent),
    ...(view.leader === null ? [] : brokenLinks(answering)),
    ...answering.flatMap((member) => ofMember(member, answering)),
    ...versions(answering),
  ];
  return verdictOf(findings, wellText(view));
}

/** What is remarkable about one that answers, in a few words each. */
export function notesOf(member: MemberView, view: ClusterView): readonly string[] {
  const { status, membership, failure } = member;
  if (status === null) {
    return [failureText(failure)];
  }
  const answering = view.members.filter(isAnswering);
  return [
    isStranger(status, answering) ? "not a member" : membership === "learner" ? "learner" : "",
    status.isInDoubt ? "in doubt" : "",
    status.isReturning ? "returning" : "",
    status.isDraining ? "draining" : "",
    diskNote(status),
    status.isCaughtUp ? "" : "not caught up",
  ].filter((note) => note !== "");
}

/** How the reason of a request that failed is said to people. */
export function failureText(failure: string | null): string {
  switch (failure) {
    case "ECONNREFUSED":
      return "refused";
    case "ECONNRESET":
      return "broken off";
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return "its host name is not known here";
    case "EHOSTUNREACH":
    case "ENETUNREACH":
      return "no way to its machine";
    case null:
      return "no answer";
    default:
      return failure.startsWith("no answer within") ? "timed out" : failure;
  }
}

function isAnswering(member: MemberView): member is Answering {
  return member.status !== null;
}

function nameOf({ name, address }: MemberView): string {
  return name ?? address ?? "?";
}

function listed(members: readonly MemberView[]): string {
  return members.map((each) => `${nameOf(each)} (${failureText(each.failure)})`).join(", ");
}

/** By the word of the leader, where it answers: who was removed still takes itself for one. */
function votersOf({ members }: ClusterView): readonly MemberView[] {
  const leading = leadingOf(members.filter(isAnswering));
  return members.filter(
    ({ id, membership }) =>
      membership === "voter" &&
      (leading === null || leading.members.some((known) => known.id === id)),
  );
}

function leadingOf(answering: readonly Answering[]): StatusPage | null {
  const leading = answering.map(({ status }) => status).filter(({ role }) => role === "leader");
  return leading.sort((one, other) => other.term - one.term)[0] ?? null;
}

function nobody(members: readonly MemberView[]): Finding {
  return broken(
    `no node could be asked: ${listed(members)}`,
    `start the nodes ('rollcall start', or 'rollcall dev' for a cluster on this machine), or name others with --server; 'rollcall doctor --data DIR' looks at the directory of one that is stopped`,
  );
}

function lineages({ lineages: found }: ClusterView): readonly Finding[] {
  if (found.length < 2) return [];
  return [
    broken(
      `these servers belong to ${found.length} clusters: ${found.join(", ")}`,
      "ask the servers of one cluster at a time (--server); a node of the wrong one was started with another --data, or other first members",
    ),
  ];
}

/** Who does not answer, and is not what keeps the others from electing a leader. */
function unmentioned(view: ClusterView): readonly MemberView[] {
  const isMentioned = view.leader === null && missingIn(view) > 0;
  const voters = isMentioned ? votersOf(view) : [];
  return view.members.filter((member) => !isAnswering(member) && !voters.includes(member));
}

/** How many more voters it takes for a majority. */
function missingIn(view: ClusterView): number {
  const voters = votersOf(view);
  return majorityOf(voters.length) - voters.filter(isAnswering).length;
}

function leaderless(view: ClusterView, answering: readonly Answering[]): Finding {
  const voters = votersOf(view);
  const up = voters.filter(isAnswering);
  const missing = missingIn(view);
  if (missing > 0) {
    const silentVoters = voters.filter(({ status }) => status === null);
    const enough =
      silentVoters.length > missing
        ? `${missing} of them ${missing === 1 ? "is" : "are"} enough for a majority`
        : `${missing === 1 ? "it is" : "all of them are"} needed for a majority`;
    return broken(
      `no leader: ${silentVoters.length} of ${counted(voters.length, "voter")} cannot be asked: ${listed(silentVoters)}; ${enough}`,
      `${remedyOf(silentVoters)}; 'rollcall doctor --data DIR', where one of them is stopped, says whether its directory is whole`,
    );
  }
  const cut = cutLinks(up);
  if (cut.length > 0) {
    return broken(
      `no leader: a majority of the voters answers here, but not to each other: ${cut.join(", ")}`,
      "see to the network between their machines: each dials the address that 'rollcall member list' shows for the others; 'rollcall start --peer NAME=HOST:PORT' names another one",
    );
  }
  const electable = up.filter(({ status }) => !status.isReturning);
  if (electable.length === 0) {
    return broken(
      "no leader: every voter that answers is returning without the log that it had, and cannot be elected before it has it again",
      `a voter that has its log has to run: ${remedyOf(voters.filter(({ status }) => status === null))}`,
    );
  }
  if (electable.every(({ status }) => status.diskState === "full")) {
    return broken(
      "no leader: the disk of every voter that could be elected is full",
      "make room on one of them: it is elected by itself then, and another one makes a majority that takes writes",
    );
  }
  const term = Math.max(...answering.map(({ status }) => status.term));
  return broken(
    `no leader yet: ${up.length} of ${counted(voters.length, "voter")} answer and reach each other, in term ${term}`,
    "an election takes a second or two: 'rollcall doctor' again; where the term goes up and nobody is elected, their logs say why",
  );
}

/** By the word of one end at least, of voters that answer both. */
function cutLinks(up: readonly Answering[]): readonly string[] {
  const ids = new Set(up.map(({ id }) => id));
  return up.flatMap(({ status }) =>
    status.members
      .filter(({ id, isSelf, isLinkUp }) => ids.has(id) && !isSelf && !isLinkUp)
      .map(({ name }) => `${status.name} does not reach ${name}`),
  );
}

/** By what keeps the first of them from answering. */
function remedyOf(members: readonly MemberView[]): string {
  const refused = members.find(({ failure }) => failure === "ECONNREFUSED");
  if (refused !== undefined) {
    return `start what is stopped ('rollcall start --id ${nameOf(refused)} --data DIR …'; its log says why it has ended)`;
  }
  const away = members.find(({ failure }) => failureText(failure) === "timed out");
  return away === undefined
    ? "see to it that they answer"
    : `see whether the machine of ${nameOf(away)} is up, its process goes on, and nothing keeps packets from it`;
}

function withLeader(view: ClusterView, answering: readonly Answering[]): readonly Finding[] {
  const findings: Finding[] = [];
  const leading = answering.filter(({ status }) => status.role === "leader");
  const leader = view.members.find(({ name }) => name === view.leader);
  if (leader !== undefined && leader.status === null) {
    findings.push(
      warning(
        `${view.leader} leads by the word of the others, and does not answer here`,
        "'rollcall doctor' again: they elect another within seconds if it is gone, and else it cannot be reached from this machine only",
      ),
    );
  }
  const former = leading.filter(({ name }) => name !== view.leader);
  findings.push(
    ...former.map(({ status }) =>
      warning(
        `${status.name} takes itself for the leader, of term ${status.term}, and ${view.leader} leads in term ${view.term}`,
        "nothing: it can commit nothing, and steps down when it hears of the other one or of nobody",
      ),
    ),
  );
  const voters = votersOf(view);
  if (voters.length < 3) {
    findings.push(
      warning(
        `the cluster has ${counted(voters.length, "voter")}, so none may fail`,
        "go on to three: 'rollcall start --join HOST:PORT' on another machine",
      ),
    );
  } else if (voters.filter(isAnswering).length === majorityOf(voters.length)) {
    findings.push(
      warning(
        "no further voter may fail",
        `${remedyOf(voters.filter(({ status }) => status === null))}; what is lost for good is replaced with 'rollcall member replace'`,
      ),
    );
  }
  return findings;
}

function inDoubt({ status }: Answering): Finding {
  return broken(
    `no state has a majority, by the word of ${status.name}: the leader takes no writes`,
    "the logs name the members and their digests; find out which of them is right, stop one that is not, 'rollcall discard-state --id NAME --data DIR', and start it again; not two of three at once",
  );
}

function silent(member: MemberView): Finding {
  const { failure } = member;
  const name = nameOf(member);
  if (failure?.startsWith("the node does not serve now")) {
    return warning(
      `${name} does not serve: ${failure.replace("the node does not serve now: ", "")}`,
      "it goes on by itself when what it waits for is there",
    );
  }
  return warning(`${name} does not answer: ${failureText(failure)}`, remedyOf([member]));
}

/** Where there is a leader too: a node that hears it from one side only, or not at all. */
function brokenLinks(answering: readonly Answering[]): readonly Finding[] {
  const cut = cutLinks(answering.filter(({ membership }) => membership !== null));
  if (cut.length === 0) return [];
  return [
    warning(
      `nodes that answer here do not reach each other: ${cut.join(", ")}`,
      "see to the network between their machines, and to the addresses that 'rollcall member list' shows",
    ),
  ];
}

/** A leader knows who is a member; who was removed while it was away does not. */
function isStranger({ id }: StatusPage, answering: readonly Answering[]): boolean {
  const leading = leadingOf(answering);
  return leading !== null && !leading.members.some((member) => member.id === id);
}

function ofMember(member: Answering, answering: readonly Answering[]): readonly Finding[] {
  const { status, lag, clockAheadMs } = member;
  const { name } = status;
  const findings: Finding[] = [];
  const say = (text: string, next: string): void => void findings.push(warning(text, next));
  if (isStranger(status, answering)) {
    say(
      `${name} is not a member, by the word of the leader`,
      `to add its machine again: 'rollcall start --join HOST:PORT' with an empty directory`,
    );
  } else if (!status.isCaughtUp && status.leader !== null) {
    say(`${name} has not caught up with the leader`, "it goes on by itself");
  }
  if (status.isReturning) {
    say(
      `${name} takes the state of the others in place of its own`,
      "it goes on by itself, while a leader is there; until then it cannot be elected",
    );
  }
  if (status.isDraining) {
    say(`${name} is leaving`, "nothing: somebody has stopped it");
  }
  if (lag !== null && lag > LEARNER_LAG_ENTRIES_MAX) {
    say(
      `${name} lacks ${lag} entries`,
      "it catches up by itself; where the number does not fall, its disk or its network is too slow",
    );
  }
  findings.push(...ofDisk(status));
  if (clockAheadMs !== null && Math.abs(clockAheadMs) > CLOCK_OFF_MS_HIGH) {
    const side = clockAheadMs > 0 ? "ahead of" : "behind";
    say(
      `the clock of ${name} is ${(Math.abs(clockAheadMs) / 1000).toFixed(1)} s ${side} the one here`,
      "see to the time service of both machines; nothing is decided by these clocks, but people are shown wrong times",
    );
  }
  return findings;
}

function versions(answering: readonly Answering[]): readonly Finding[] {
  const found = new Set(answering.map(({ status }) => status.version));
  if (found.size < 2) return [];
  const each = answering.map(({ status }) => `${status.name} ${status.version}`);
  return [warning(`the nodes run different versions: ${each.join(", ")}`, "bring them to one")];
}

function wellText(view: ClusterView): string {
  const voters = votersOf(view);
  const up = voters.filter(isAnswering).length;
  const spare = up - majorityOf(voters.length);
  const may = spare > 0 ? `, ${spare} of them may fail` : "";
  return `${view.leader} leads in term ${view.term}, ${up} of ${counted(voters.length, "voter")} answer${may}`;
}
