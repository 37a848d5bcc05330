import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { freePorts } from "../../jepsen-lite/net/ports.ts";
import { EXIT } from "../../src/errors.ts";
import { Cluster } from "./world.ts";

interface Answer {
  readonly status: number;
  readonly body: { readonly error?: Readonly<Record<string, unknown>>; readonly kind?: string };
}

describe("the members' page", () => {
  let cluster: Cluster;

  beforeAll(async () => {
    cluster = await Cluster.started(3);
  }, 20_000);

  afterAll(() => cluster.close());

  async function post(
    name: string,
    query: string,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const url = `http://${cluster.address(name)}/v1/members?${query}`;
    const response = await fetch(url, { method: "POST", headers });
    return { status: response.status, body: (await response.json()) as Answer["body"] };
  }
  const others = (leader: string) => cluster.names.filter((name) => name !== leader);
  const leaderBy = (name: string) => cluster.nodes.get(name)?.status()?.leader ?? "";
  const membersOf = (name: string) => cluster.nodes.get(name)?.status()?.members ?? [];

  it("takes nothing from a web page, and nothing with GET", async () => {
    const leader = cluster.leader();
    const query = "operation=transfer-leader";
    expect((await post(leader, query, { Origin: "https://evil.example" })).status).toBe(403);
    const got = await fetch(`http://${cluster.address(leader)}/v1/members?${query}`);
    expect([got.status, got.headers.get("allow")]).toEqual([405, "POST"]);
    expect(cluster.leader()).toBe(leader);
  });

  it.each([
    ["", "operation"],
    ["operation=demote&member=n1", "operation"],
    ["operation=promote", "member"],
    ["operation=promote&member=n1&colour=red", "colour"],
    ["operation=add&id=1&name=n4&address=127.0.0.1:1", "id"],
    ["operation=add&id=0123456789abcdef&name=n%204&address=127.0.0.1:1", "name"],
    ["operation=add&id=0123456789abcdef&name=n4&address=nowhere", "address"],
    ["operation=join&id=0123456789abcdef&name=n4&address=127.0.0.1:1", "lineage"],
    ["operation=update&member=n1&address=nowhere", "address"],
  ])("refuses '%s' with the name of the parameter", async (query, field) => {
    const { status, body } = await post("n1", query);
    expect([status, body.error?.["field"]]).toEqual([400, field]);
  });

  it("names the leader where it does not lead", async () => {
    const leader = cluster.leader();
    const [other = ""] = others(leader);
    expect(await post(other, "operation=remove&member=n9")).toMatchObject({
      status: 503,
      body: {
        error: {
          code: "NO_LEADER",
          leader: { name: leader, address: cluster.address(leader) },
        },
      },
    });
  });

  it("hands the leadership to the member that is named", async () => {
    const [next = ""] = others(cluster.leader());
    const answer = await post(cluster.leader(), `operation=transfer-leader&member=${next}`);
    expect(answer).toMatchObject({ status: 200, body: { kind: "MembersChange" } });
    await cluster.until(() => cluster.leader() === next && cluster.isReady(next));
  });

  it("adds a learner, tells how far it is from a vote, and removes it", async () => {
    const leader = cluster.leader();
    const add = "operation=add&id=0123456789abcdef&name=n4&address=127.0.0.1:1";
    expect((await post(leader, add)).status).toBe(200);
    const [other = ""] = others(leader);
    await cluster.until(() => membersOf(other).length === 4);
    expect(membersOf(other).at(-1)).toMatchObject({
      name: "n4",
      address: "127.0.0.1:1",
      membership: "learner",
    });
    expect(await post(leader, add.replace("0123", "aaaa"))).toMatchObject({
      status: 409,
      body: { error: { code: "CONFLICT", reason: "nameTaken" } },
    });
    expect(await post(leader, "operation=promote&member=n4")).toMatchObject({
      status: 409,
      body: {
        error: { reason: "behind", message: expect.stringMatching(/n4 .* \d+ entries behind/) },
      },
    });
    expect((await post(leader, "operation=remove&member=n4")).status).toBe(200);
    await cluster.until(() => membersOf(other).length === 3);
  });

  it("changes the address of a member, for all of them, and the links follow", async () => {
    const leader = cluster.leader();
    const [moving = "", other = ""] = others(leader);
    await cluster.nodes.get(moving)?.stop();
    const [port = 0] = await freePorts(1);
    const address = `127.0.0.1:${port}`;
    const query = `operation=update&member=${moving}&address=`;
    expect((await post(leader, `${query}${cluster.address(other)}`)).body.error).toMatchObject({
      ...{ code: "CONFLICT", reason: "addressTaken" },
    });
    expect((await post(leader, `${query}${address}`)).status).toBe(200);
    const bootstrap = cluster
      .bootstrap()
      .map((entry) => (entry.startsWith(moving) ? `${moving}=${address}` : entry));
    // Nobody but the configuration tells the others: it dials nobody until it was dialled.
    const nowhere = [leader, other].map((name, at) => `${name}=127.0.0.1:${at + 1}`);
    await cluster.start(moving, { bootstrap, listen: address, peers: nowhere });
    const isLinked = () =>
      [leader, other].every((by) =>
        membersOf(by).some((member) => member.name === moving && member.isLinkUp),
      );
    await cluster.until(isLinked);
    expect(membersOf(leader).find(({ name }) => name === moving)?.address).toBe(address);
    await cluster.nodes.get(moving)?.stop();
    expect((await post(leader, `${query}${cluster.address(moving)}`)).status).toBe(200);
    await cluster.start(moving);
    await cluster.until(isLinked);
    expect((await post(leader, "operation=update&member=n9&address=127.0.0.1:1")).status).toBe(404);
  });

  it("removes the leader itself, which answers, says so and ends", async () => {
    const leader = cluster.leader();
    const rest = others(leader);
    expect((await post(leader, `operation=remove&member=${leader}`)).status).toBe(200);
    const end = await cluster.nodes.get(leader)?.ended;
    expect(end?.exitCode).toBe(EXIT.configuration);
    expect(String(end?.error)).toMatch(new RegExp(`${leader} was removed from cluster`));
    cluster.nodes.delete(leader);
    await cluster.until(() => rest.every((name) => membersOf(name).length === 2));
    await cluster.until(
      () =>
        rest.every((name) => rest.includes(leaderBy(name))) &&
        rest.every((n) => cluster.isReady(n)),
    );
  });
});
