import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { run } from "../../src/cli/program.ts";
import { Cluster } from "../server/world.ts";
import { captured } from "./captured-world.ts";

let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.started(3);
}, 20_000);

afterAll(() => cluster.close());

async function member(...args: string[]): Promise<{ exitCode: number; out: string; err: string }> {
  const servers = cluster.names.map((name) => cluster.address(name)).join(",");
  const { world, out, err } = captured(["member", ...args], { env: { ROLLCALL_SERVER: servers } });
  return { exitCode: await run(world), out: out(), err: err() };
}

const ID = "0123456789abcdef";

describe("member", () => {
  test("list shows who votes and who leads", async () => {
    const { exitCode, out } = await member("list", "-o", "json");
    expect(exitCode).toBe(0);
    const { kind, leader, items } = JSON.parse(out);
    expect([kind, leader]).toEqual(["MemberList", cluster.leader()]);
    expect(items).toHaveLength(3);
    expect(items[0]).toMatchObject({
      name: "n1",
      address: cluster.address("n1"),
      membership: "voter",
    });
    expect((await member("list")).out).toMatch(/^MEMBER +ID +MEMBERSHIP +LEADER +LAG +ADDRESS\n/);
  });

  test("transfer-leader goes to the leader by itself, and the one that was named leads", async () => {
    const [next = ""] = cluster.names.filter((name) => name !== cluster.leader());
    expect(await member("transfer-leader", next)).toMatchObject({
      exitCode: 0,
      out: `${next} leads now\n`,
    });
    await cluster.until(() => cluster.leader() === next && cluster.isReady(next));
    const again = await member("transfer-leader", next);
    expect(again).toMatchObject({ exitCode: 4, err: expect.stringContaining("not another voter") });
  });

  test("add makes a learner, promote says how far behind it is, remove takes it back", async () => {
    expect(await member("add", "n4", ID, "127.0.0.1:1")).toMatchObject({
      exitCode: 0,
      out: "added n4 as a learner\n",
    });
    const promoted = await member("promote", "n4", "-o", "json");
    expect(promoted.exitCode).toBe(4);
    expect(JSON.parse(promoted.err).error).toMatchObject({
      code: "CONFLICT",
      retryable: true,
      message: expect.stringMatching(/\d+ entries behind/),
      details: { reason: "behind" },
    });
    const removed = await member("remove", ID, "-o", "json");
    expect(JSON.parse(removed.out)).toEqual({
      apiVersion: "v1",
      kind: "MembersChange",
      operation: "remove",
    });
    expect((await member("list")).out).not.toContain("n4");
  });

  test("update tells where a member is from now on", async () => {
    const [other = ""] = cluster.names.filter((name) => name !== cluster.leader());
    const address = cluster.address(other);
    expect(await member("update", other, address)).toMatchObject({
      exitCode: 0,
      out: `${other} is at ${address}\n`,
    });
    expect(await member("update", other, cluster.address(cluster.leader()))).toMatchObject({
      exitCode: 4,
      err: expect.stringContaining("is already the address of"),
    });
    expect((await member("update", "n9", "127.0.0.1:1")).exitCode).toBe(3);
    expect((await member("update", other, "nowhere")).exitCode).toBe(2);
  });

  test("who is no member ends with 3, and a misuse with 2", async () => {
    expect((await member("remove", "n9")).exitCode).toBe(3);
    expect((await member("demote", "n1")).exitCode).toBe(2);
    expect((await member("replace", "n1")).exitCode).toBe(2);
    expect(await member("add", "n5", "short", "127.0.0.1:1")).toMatchObject({
      exitCode: 2,
      err: expect.stringContaining("16 hex digits"),
    });
  });
});
