import type { Command } from "commander";
import type { SessionStatus } from "../server/status.ts";
import { ageText, isOld } from "./age.ts";
import { defineCommand, type Invocation } from "./command.ts";
import type { Context } from "./context.ts";
import { formatDuration } from "./duration.ts";
import { CLI_EXIT } from "./exit-codes.ts";
import { askSessions, type SessionPage } from "./node-pages.ts";
import { unreachableFailure } from "./status.ts";
import type { Column } from "./table.ts";

const COLUMNS: readonly Column[] = [
  { head: "SESSION" },
  { head: "CLIENT" },
  { head: "INSTANCES", align: "right" },
  { head: "TTL", align: "right" },
  { head: "GRACE", align: "right" },
  { head: "OPENED" },
  { head: "STATE" },
];

export function defineSessions(command: Command, invocation: Invocation): void {
  defineCommand(command, invocation, {
    examples: [
      { line: "rollcall sessions", doc: "who is registered, and since when" },
      { line: "rollcall sessions -o jsonl | jq -r .client", doc: "for programs" },
    ],
    work: (context) => listSessions(context),
  });
}

async function listSessions(context: Context): Promise<number> {
  const { output } = context;
  const { items, total, lineage, ageMs } = await firstPage(context);
  const nowMs = Date.now();
  output.list({
    kind: "SessionList",
    itemKind: "Session",
    fields: { lineage, total, ageMs },
    items,
    columns: COLUMNS,
    rows: items.map((session) => sessionRow(session, nowMs)),
  });
  if (items.length < total) {
    output.note(`the first ${items.length} of ${total} sessions`);
  }
  if (isOld(ageMs)) {
    output.note(`this node hears from no leader: its copy is ${ageText(ageMs)}`);
  }
  return CLI_EXIT.ok;
}

/** Of whichever server answers first: every node knows all sessions. */
async function firstPage({ servers, timeoutMs }: Context): Promise<SessionPage> {
  const asked = servers.map((server) => askSessions(server, timeoutMs));
  try {
    return await Promise.any(asked);
  } catch (error) {
    const reasons: readonly unknown[] = error instanceof AggregateError ? error.errors : [];
    throw unreachableFailure(
      servers.map((server, at) => {
        const reason = reasons[at];
        const failure = reason instanceof Error ? reason.message : String(reason);
        return { address: new URL(server).host, failure };
      }),
    );
  }
}

function sessionRow(session: SessionStatus, nowMs: number): readonly string[] {
  return [
    session.id,
    session.client,
    String(session.owned),
    formatDuration(session.ttlMs),
    formatDuration(session.graceMs),
    `${formatDuration(Math.max(0, nowMs - session.openedAtMs))} ago`,
    session.ending === null ? "open" : `ending (${session.ending})`,
  ];
}
