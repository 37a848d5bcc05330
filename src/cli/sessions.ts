import type { Command } from "commander";
import type { SessionStatus } from "../server/status.ts";
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
  const { items, total, lineage } = await firstPage(context);
  const nowMs = Date.now();
  output.list({
    kind: "SessionList",
    itemKind: "Session",
    fields: { lineage, total },
    items,
    columns: COLUMNS,
    rows: items.map((session) => sessionRow(session, nowMs)),
  });
  if (items.length < total) {
    output.note(`the first ${items.length} of ${total} sessions`);
  }
  return CLI_EXIT.ok;
}

/** Of the first server that answers: every node knows all sessions. */
async function firstPage({ servers, timeoutMs }: Context): Promise<SessionPage> {
  const failures = [];
  for (const server of servers) {
    try {
      return await askSessions(server, timeoutMs);
    } catch (error) {
      const failure = error instanceof Error ? error.message : String(error);
      const address = new URL(server).host;
      failures.push({ name: null, id: null, address, status: null, failure, lag: null });
    }
  }
  throw unreachableFailure(failures);
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
