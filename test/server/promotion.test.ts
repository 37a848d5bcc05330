import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, it } from "vitest";
import { nodeTimers } from "../../src/env/node-env.ts";
import { Promotion } from "../../src/server/promotion.ts";
import type { NodeStatus } from "../../src/server/status.ts";
import { LogBook } from "./world.ts";

/** The page of a leader that refuses twice, and then promotes. */
let asked: string[];
let membership: "voter" | "learner";
let address: string;
let close: () => Promise<void>;

beforeEach(async () => {
  asked = [];
  membership = "learner";
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    if (asked.length <= 2) {
      const error = { code: "CONFLICT", reason: "behind", message: `${9 - asked.length} behind` };
      response.writeHead(409).end(JSON.stringify({ error }));
      return;
    }
    membership = "voter";
    response.end(JSON.stringify({ kind: "MembersChange", operation: "promote", index: 7 }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  close = () => new Promise((resolve) => server.close(() => resolve()));
});

afterEach(() => close());

function status(): NodeStatus {
  const self = { name: "n4", id: "4".repeat(16), address: null, membership, isSelf: true };
  const leader = { name: "n1", id: "1".repeat(16), address, membership: "voter", isLeader: true };
  return { isCaughtUp: true, members: [leader, self] } as unknown as NodeStatus;
}

it("is asked for until it is had, and what stands against it is said once", async () => {
  const logger = new LogBook();
  const done = new Promise<void>((resolve) => {
    logger.info = (fields: object, message: string) => {
      logger.lines.push({ level: "info", fields, message });
      if (message === "this node votes") resolve();
    };
  });
  const promotion = new Promotion({ timers: nodeTimers, logger, status });
  await done;
  promotion.stop();
  expect(asked).toEqual(
    Array(3).fill("POST /v1/members?operation=promote&member=4444444444444444"),
  );
  expect(logger.lines.map(({ message }) => message)).toEqual([
    "not a voter yet: 8 behind",
    "this node votes",
  ]);
});
