import type { Command } from "commander";
import { ERRORS, type ErrorCode } from "../errors.ts";
import { askLeaderBy, type OperationPage } from "../server/operation-request.ts";
import { surveyCluster } from "./cluster-view.ts";
import { defineCommand, type Invocation } from "./command.ts";
import type { Context } from "./context.ts";
import { CLI_EXIT, exitCodeOfError, exitCodeOfWrite } from "./exit-codes.ts";
import { Failure, usageFailure } from "./failure.ts";
import { httpUrl } from "./servers.ts";
import { unreachableFailure } from "./status.ts";
import type { Column } from "./table.ts";

const COLUMNS: readonly Column[] = [
  { head: "MEMBER" },
  { head: "ID" },
  { head: "MEMBERSHIP" },
  { head: "LEADER" },
  { head: "LAG", align: "right" },
  { head: "ADDRESS" },
];

interface Verb {
  /** Of the arguments behind the verb, as the page calls them; those with `?` may be left out. */
  readonly parameters: readonly string[];
  readonly usage: string;
  readonly done: (args: readonly string[]) => string;
}

const VERBS: Readonly<Record<string, Verb>> = {
  add: {
    parameters: ["name", "id", "address"],
    usage: "NAME INCARNATION HOST:PORT",
    done: ([name]) => `added ${name} as a learner`,
  },
  promote: {
    parameters: ["member"],
    usage: "MEMBER",
    done: ([member]) => `${member} is a voter now`,
  },
  remove: {
    parameters: ["member"],
    usage: "MEMBER",
    done: ([member]) => `removed ${member}`,
  },
  replace: {
    parameters: ["member", "by"],
    usage: "OLD NEW",
    done: ([member, by]) => `${by} has taken the place of ${member}`,
  },
  update: {
    parameters: ["member", "address"],
    usage: "MEMBER HOST:PORT",
    done: ([member, address]) => `${member} is at ${address}`,
  },
  "transfer-leader": {
    parameters: ["member?"],
    usage: "[MEMBER]",
    done: ([member]) => (member === undefined ? "another member leads now" : `${member} leads now`),
  },
};

/** Refusals that time alone may lift. */
const PASSING: ReadonlySet<string> = new Set([
  ...["behind", "inProgress", "quorumSilent", "transferring", "abandoned", "noTarget", "diskFull"],
]);

export function defineMember(command: Command, invocation: Invocation): void {
  defineCommand(command, invocation, {
    examples: [
      { line: "rollcall member list", doc: "voters and learners" },
      { line: "rollcall member add n4 4f1c09a2b37de865 10.0.0.4:7420", doc: "as a learner" },
      { line: "rollcall member promote n4", doc: "a learner that has caught up" },
      { line: "rollcall member replace n1 n4", doc: "a voter by a learner, in one step" },
      { line: "rollcall member remove n1", doc: "the leader too" },
      { line: "rollcall member update n2 10.0.0.7:7420", doc: "where the others find it" },
      { line: "rollcall member transfer-leader n2", doc: "without a name: who fits best" },
    ],
    args: [
      ["<verb>", `list, ${Object.keys(VERBS).join(", ")}`],
      ["[args...]", "As in the examples; a member is named by its name or its id"],
    ],
    work: (context, [verb = "", ...rest]) => {
      const args = rest.flat();
      return verb === "list" ? listMembers(context, args) : change(context, verb, args);
    },
  });
}

async function listMembers(context: Context, args: readonly string[]): Promise<number> {
  if (args.length > 0) {
    throw usageFailure("member list takes no arguments");
  }
  const { output } = context;
  const {
    leader,
    members: views,
    lineage,
  } = await surveyCluster(context.servers, context.timeoutMs);
  const knowing =
    views.find(({ name, status }) => status !== null && name === leader) ??
    views.find(({ status }) => status !== null);
  if (knowing?.status == null) {
    throw unreachableFailure(views);
  }
  const items = knowing.status.members.map(({ name, id, address, membership, isLeader, lag }) => ({
    ...{ name, id, address, membership, isLeader, lag },
  }));
  output.list({
    kind: "MemberList",
    itemKind: "Member",
    fields: { leader, lineage },
    items,
    columns: COLUMNS,
    rows: items.map(({ name, id, address, membership, isLeader, lag }) => [
      ...[name, id, membership, isLeader ? "leader" : "-", lag === null ? "-" : String(lag)],
      address ?? "-",
    ]),
  });
  return CLI_EXIT.ok;
}

async function change(context: Context, name: string, args: readonly string[]): Promise<number> {
  const verb = Object.hasOwn(VERBS, name) ? VERBS[name] : undefined;
  if (verb === undefined) {
    throw usageFailure(
      `there is no 'member ${name}'`,
      `there are list, ${Object.keys(VERBS).join(", ")}`,
    );
  }
  const { parameters, usage, done } = verb;
  const least = parameters.filter((parameter) => !parameter.endsWith("?")).length;
  if (args.length < least || args.length > parameters.length) {
    throw usageFailure(`it is 'member ${name} ${usage}'`);
  }
  const query = new URLSearchParams({ operation: name });
  args.forEach((arg, at) => {
    query.set((parameters[at] ?? "").replace("?", ""), arg);
  });
  const page = await askLeader(context, query);
  if (page.error !== null) {
    throw refusalOf(page.error);
  }
  if (context.output.isForPeople) {
    context.output.line(done(args));
  } else {
    context.output.document("MembersChange", { operation: name });
  }
  return CLI_EXIT.ok;
}

/** Of the leader as the members know it; who refuses because it does not lead names another. */
async function askLeader(context: Context, query: URLSearchParams): Promise<OperationPage> {
  const { servers, timeoutMs } = context;
  const view = await surveyCluster(servers, timeoutMs);
  const leader = view.members.find(({ name }) => name !== null && name === view.leader);
  if (view.members.every(({ status }) => status === null)) {
    throw unreachableFailure(view.members);
  }
  if (leader?.address == null) {
    throw new Failure("NO_LEADER", "no member that answers knows a leader; nothing was changed", {
      exitCode: CLI_EXIT.unavailable,
      isRetryable: true,
      hint: "'rollcall status' shows which members are up: a majority of them must be",
    });
  }
  const scheme = servers[0]?.startsWith("wss:") === true ? "wss" : "ws";
  try {
    const origin = httpUrl(`${scheme}://${leader.address}`, "/");
    return await askLeaderBy(origin, query, timeoutMs);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Failure("TIMEOUT", `the leader, ${leader.address}, gave no answer: ${why}`, {
      exitCode: CLI_EXIT.timeout,
      isRetryable: true,
      hint: "it may have happened; 'rollcall member list' shows whether it did",
    });
  }
}

function refusalOf({ code, message, reason }: NonNullable<OperationPage["error"]>): Failure {
  if (!isErrorCode(code)) {
    return new Failure("FAILURE", message, { exitCode: CLI_EXIT.failure });
  }
  const isOpen = code === "TIMEOUT" || code === "LEADER_LOST";
  return new Failure(code, message, {
    exitCode: isOpen ? exitCodeOfWrite(code, false) : exitCodeOfError(code),
    isRetryable: isOpen || code === "NO_LEADER" || PASSING.has(reason ?? ""),
    hint: isOpen
      ? "it may have happened; 'rollcall member list' shows whether it did"
      : hintOf(reason ?? ""),
    details: reason === undefined ? {} : { reason },
  });
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERRORS, code);
}

function hintOf(reason: string): string {
  switch (reason) {
    case "behind":
      return "'rollcall member list' shows how far it is; ask again when it has caught up";
    case "notMember":
      return "'rollcall member list' shows who is one";
    case "lastVoter":
      return "promote another member first";
    default:
      return "nothing was changed";
  }
}
