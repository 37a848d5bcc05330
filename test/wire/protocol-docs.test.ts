import { readFileSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type * as z from "zod";
import { ERRORS } from "../../src/errors.ts";
import * as limits from "../../src/limits.ts";
import { checkClientMessage, checkPlainRequest } from "../../src/schema/client-message.ts";
import * as node from "../../src/schema/node-schemas.ts";
import { CLIENT_LIMITS } from "./client-limits.ts";

const file = new URL("../../docs/protocol.md", import.meta.url);
const page = () => readFileSync(file, "utf8");

function errorTable(): string {
  const rows = Object.entries(ERRORS).map(
    ([code, { definite, retry, doc }]) =>
      `| ${code} | ${definite ? "definite" : "**indefinite**"} | ${retry} | ${doc} |`,
  );
  return ["| code | | retry | |", "|---|---|---|---|", ...rows].join("\n");
}

function limitTable(): string {
  const values = { ...limits };
  const rows = CLIENT_LIMITS.map(
    (name) => `| \`${name}\` | ${values[name].toLocaleString("en-US")} |`,
  );
  return ["| limit | |", "|---|---|", ...rows].join("\n");
}

function section(text: string, name: string): string {
  const [, rest = ""] = text.split(`<!-- ${name} -->\n`);
  return rest.split(`<!-- /${name} -->`)[0]!.trimEnd();
}

function withSection(text: string, name: string, body: string): string {
  return text.replace(
    new RegExp(`<!-- ${name} -->\\n[\\s\\S]*<!-- /${name} -->`),
    () => `<!-- ${name} -->\n${body}\n<!-- /${name} -->`,
  );
}

interface Example {
  readonly mark: string;
  readonly value: unknown;
}

function examples(): Example[] {
  return [...page().matchAll(/^```json ?(.*)\n([\s\S]*?)^```$/gm)].map(
    ([, mark = "", text = ""]) => ({
      mark,
      value: JSON.parse(text),
    }),
  );
}

function complaint(schema: z.ZodType, value: unknown): string | null {
  return schema.safeParse(value).error?.message ?? null;
}

function complaintOf({ mark, value }: Example): string | null {
  switch (mark) {
    case "client":
    case "plain-request": {
      const checked = mark === "client" ? checkClientMessage(value) : checkPlainRequest(value);
      return checked.ok ? null : checked.refusal.message;
    }
    case "frame client": {
      const refused = (value as unknown[]).map(checkClientMessage).find(({ ok }) => !ok);
      return refused === undefined ? null : JSON.stringify(refused);
    }
    case "node":
      return complaint(node.nodeMessage, value);
    case "plain-answer":
      return complaint(node.plainAnswer, value);
    case "plain-push":
      return complaint(node.plainPush, value);
    default:
      return `an example with the mark "${mark}", which says nothing of where it is sent`;
  }
}

describe("docs/protocol.md", () => {
  if (process.env["UPDATE_GOLDEN"] === "1") {
    const errors = withSection(page(), "errors", errorTable());
    writeFileSync(file, withSection(errors, "limits", limitTable()));
  }

  it("has only examples that the schemas take", () => {
    const wrong = examples()
      .map((example) => ({ ...example, complaint: complaintOf(example) }))
      .filter(({ complaint: said }) => said !== null);
    expect(wrong).toEqual([]);
  });

  it("has an example of every message, and of every state of a session", () => {
    const types = (mark: string) =>
      new Set(
        examples()
          .filter((example) => example.mark === mark)
          .map(({ value }) => value as { type: string; state?: string })
          .map(({ type, state }) => (state === undefined ? type : `${type} ${state}`)),
      );
    const client = "hello open register update deregister bye get subscribe unsubscribe ack ping";
    expect([...types("client")].sort()).toEqual(client.split(" ").sort());
    expect([...types("node")].sort()).toEqual([
      "delta",
      "goaway",
      "mark",
      "pong",
      "reply",
      "session denied",
      "session expired",
      "session resumed",
      "session unconfirmed",
      "snapshot",
      "welcome",
    ]);
  });

  it("has the three plain shapes as design section 4 has them", () => {
    const plain = examples().filter(({ mark }) => mark === "plain-request");
    expect(plain.map(({ value }) => Object.keys(value as object))).toEqual([
      ["application", "protocol", "addr", "meta"],
      ["unregister"],
      ["subscribes"],
    ]);
  });

  it("has the errors of src/errors.ts (UPDATE_GOLDEN=1 writes them)", () => {
    expect(section(page(), "errors")).toBe(errorTable());
  });

  it("has the limits of src/limits.ts (UPDATE_GOLDEN=1 writes them)", () => {
    expect(section(page(), "limits")).toBe(limitTable());
  });
});
