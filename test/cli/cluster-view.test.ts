import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { clusterView } from "../../src/cli/cluster-view.ts";
import { run } from "../../src/cli/program.ts";
import { captured } from "./captured-world.ts";
import { statusOf, type Told } from "./statuses.ts";

const servers: Server[] = [];

afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

/** A page on a port of its own; `host:port`. */
async function serve(answer: () => { status: number; body: string }): Promise<string> {
  const server = createServer((_, response) => {
    const { status, body } = answer();
    response.writeHead(status).end(body);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const NOWHERE = "127.0.0.1:1";

describe("who leads", () => {
  const addresses = { n1: "a:1", n2: "a:2", n3: "a:3" };
  const answer = (name: string, told: Told) => ({
    server: `ws://${addresses[name as "n1"]}`,
    status: statusOf(name, addresses, told),
    failure: null,
  });

  test("of two that say they do, the one of the later term", () => {
    const view = clusterView([
      answer("n1", { role: "leader", term: 3, leader: "n1" }),
      answer("n2", { role: "leader", term: 4, leader: "n2" }),
    ]);
    expect([view.leader, view.term]).toEqual(["n2", 4]);
  });

  test("where the leader does not answer, whom the others name", () => {
    const view = clusterView([answer("n2", { leader: "n1" }), answer("n3", { leader: "n1" })]);
    expect(view.leader).toBe("n1");
    expect(view.members.map(({ name, lag }) => [name, lag])).toEqual([
      ["n1", null],
      ["n2", null],
      ["n3", null],
    ]);
  });

  test("nobody, where nobody knows one", () => {
    const view = clusterView([answer("n2", { leader: null, role: "preCandidate", term: 9 })]);
    expect([view.leader, view.term]).toEqual([null, 9]);
  });

  test("servers of two clusters are told apart", () => {
    const view = clusterView([answer("n1", {}), answer("n2", { lineage: "d.1" })]);
    expect(view.lineages).toEqual(["c.1", "d.1"]);
  });
});

describe("rollcall status", () => {
  /** n1 leads, n2 follows two entries behind, n3 cannot be reached. */
  async function threeMembers(learners: readonly string[] = []): Promise<string> {
    const addresses: Record<string, string> = { n3: NOWHERE };
    addresses["n1"] = await serve(() => {
      const lags = { n2: 2, n3: 7 };
      const status = statusOf("n1", addresses, { role: "leader", lags, learners });
      return { status: 200, body: JSON.stringify(status) };
    });
    addresses["n2"] = await serve(() => {
      return {
        status: 200,
        body: JSON.stringify(statusOf("n2", addresses, { commit: 8, learners })),
      };
    });
    return addresses["n1"];
  }

  test("asks one server and shows every member that it names, the unreachable ones as such", async () => {
    const server = await threeMembers();
    const { world, out, err } = captured(["status", "-s", server]);
    expect(await run(world)).toBe(0);
    const rows = out()
      .trimEnd()
      .split("\n")
      .map((line) => line.split(/ {2,}| (?=\d)/));
    expect(rows[0]?.slice(0, 3)).toEqual(["MEMBER", "ROLE", "TERM"]);
    const found = rows.slice(1).map(([name, role, , , , lag]) => [name, role, lag]);
    expect(found[0]).toEqual(["n1", "leader", "0"]);
    expect(found[1]).toEqual(["n2", "follower", "2"]);
    expect(found[2]?.slice(0, 2)).toEqual(["n3", "unreachable"]);
    expect(err()).toContain("n3 does not answer: ECONNREFUSED");
    expect(err()).toContain("no further member may fail");
  });

  test("calls a learner one, and does not count it among those who may fail", async () => {
    const server = await threeMembers(["n2"]);
    const { world, out, err } = captured(["status", "-s", server]);
    expect(await run(world)).toBe(0);
    expect(out()).toMatch(/^n2 +learner /m);
    expect(err()).not.toContain("no further member may fail");
  });

  test("has a versioned shape in json", async () => {
    const server = await threeMembers();
    const { world, out } = captured(["status", "-s", server, "-o", "json", "-q"]);
    expect(await run(world)).toBe(0);
    const document = JSON.parse(out());
    expect(document).toMatchObject({
      apiVersion: "v1",
      kind: "ClusterStatus",
      leader: "n1",
      term: 3,
      lineage: "c.1",
    });
    expect(document.items).toHaveLength(3);
    expect(document.items[0]).toEqual({
      name: "n1",
      id: "id-n1",
      address: server,
      membership: "voter",
      isReachable: true,
      isLeader: true,
      role: "leader",
      term: 3,
      commit: 10,
      applied: 10,
      lag: 0,
      revision: 5,
      digest: "00",
      instances: 2,
      sessions: 1,
      watches: 3,
      connections: 4,
      ageMs: 0,
      isDraining: false,
      isReturning: false,
      isInDoubt: false,
      diskState: "ok",
      intake: "all",
      version: "0.1.0",
      failure: null,
    });
    expect(document.items[2]).toMatchObject({
      name: "n3",
      isReachable: false,
      role: null,
      lag: 7,
      failure: "ECONNREFUSED",
    });
  });

  test("says who has not yet the state of a peer, and that no state has a majority", async () => {
    const addresses: Record<string, string> = {};
    for (const name of ["n1", "n2"]) {
      const told = { isReturning: name === "n2", isInDoubt: name === "n1" };
      addresses[name] = await serve(() => ({
        status: 200,
        body: JSON.stringify(statusOf(name, addresses, { leader: "n1", ...told })),
      }));
    }
    const { world, out, err } = captured(["status", "-s", addresses["n1"] ?? ""]);
    expect(await run(world)).toBe(0);
    expect(out()).toMatch(/^n2 .*\(returning\)/m);
    expect(err()).toContain("no state has a majority, so nothing is written");
  });

  test("says whose disk is short, and what the registry does not take", async () => {
    const addresses: Record<string, string> = {};
    for (const name of ["n1", "n2"]) {
      const told = { role: name === "n1" ? "leader" : "follower", leader: "n1" } as const;
      const disk = { diskState: name === "n1" ? "low" : "full", intake: "removals" } as const;
      addresses[name] = await serve(() => ({
        status: 200,
        body: JSON.stringify(statusOf(name, addresses, { ...told, ...disk })),
      }));
    }
    const { world, out, err } = captured(["status", "-s", addresses["n1"] ?? ""]);
    expect(await run(world)).toBe(0);
    expect(out()).toMatch(/^n1 +leader \(disk low\)/m);
    expect(out()).toMatch(/^n2 +follower \(disk full\)/m);
    expect(err()).toContain("the registry takes no registrations, for want of room on its disks");
  });

  test("without a leader shows what there is and ends with 6", async () => {
    const addresses: Record<string, string> = { n2: NOWHERE };
    addresses["n1"] = await serve(() => ({
      status: 200,
      body: JSON.stringify(statusOf("n1", addresses, { leader: null, role: "candidate" })),
    }));
    const { world, out, err } = captured(["status", "-s", addresses["n1"]]);
    expect(await run(world)).toBe(6);
    expect(out()).toContain("candidate");
    expect(err()).toContain("rollcall: no leader: 1 of 2 members answer");
  });

  test("ends with 6 where nobody answers, and says what each one said", async () => {
    const fresh = await serve(() => ({
      status: 503,
      body: JSON.stringify({ error: { code: "DRAINING", message: "not part of a cluster yet" } }),
    }));
    const stranger = await serve(() => ({ status: 200, body: "<html>" }));
    const { world, err, out } = captured(["status", "-s", `${fresh},${stranger},${NOWHERE}`]);
    expect(await run(world)).toBe(6);
    expect(out()).toBe("");
    expect(err()).toContain(`${fresh}: not part of a cluster yet`);
    expect(err()).toContain("is no page of a Rollcall node");
    expect(err()).toContain("127.0.0.1:1: ECONNREFUSED");
  });
});

describe("rollcall sessions", () => {
  const page = {
    apiVersion: "v1",
    kind: "SessionList",
    lineage: "c.1",
    total: 2,
    items: [
      {
        id: "0123456789abcdef0123456789abcdef",
        client: "web 1.0",
        ttlMs: 10_000,
        graceMs: 2_000,
        owned: 3,
        lastSeq: 4,
        openedAtMs: 0,
        ending: null,
      },
    ],
  };

  test("asks the first server that answers, and says when there are more", async () => {
    const server = await serve(() => ({ status: 200, body: JSON.stringify(page) }));
    const { world, out, err } = captured(["sessions", "-s", `${NOWHERE},${server}`]);
    expect(await run(world)).toBe(0);
    expect(out()).toMatch(
      /^0123456789abcdef0123456789abcdef {2}web 1\.0 +3 +10 s +2 s +\d+ d ago +open$/m,
    );
    expect(err()).toBe("the first 1 of 2 sessions\n");
  });

  test("has a versioned shape in json", async () => {
    const server = await serve(() => ({ status: 200, body: JSON.stringify(page) }));
    const { world, out } = captured(["sessions", "-s", server, "-o", "json"]);
    expect(await run(world)).toBe(0);
    expect(JSON.parse(out())).toEqual(page);
  });

  test("ends with 6 where nobody answers", async () => {
    const { world } = captured(["sessions", "-s", NOWHERE]);
    expect(await run(world)).toBe(6);
  });
});
