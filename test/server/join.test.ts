import { cp, rename, rm } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { freePorts } from "../../jepsen-lite/net/ports.ts";
import { nodeRandom } from "../../src/env/node-env.ts";
import { MEMBERS_MAX, PROMOTION_ASK_MS } from "../../src/limits.ts";
import type { NodeHandle } from "../../src/server/node.ts";
import { exitCodeOf, type NodeError } from "../../src/server/node-error.ts";
import { openDirectory } from "../../src/storage/directory.ts";
import { Cluster } from "./world.ts";

describe("a node that joins", () => {
  let cluster: Cluster;

  beforeEach(async () => {
    cluster = await Cluster.started(3, 3);
  }, 20_000);

  afterEach(() => cluster.close());

  async function refusal(node: NodeHandle): Promise<NodeError> {
    const { exitCode, error } = await node.ended;
    expect(exitCode).toBe(78);
    return error as NodeError;
  }

  /** As a node leaves it that is killed before it has asked for anything. */
  async function unborn(name: string): Promise<string> {
    const directory = await openDirectory(cluster.dataDir(name), name, nodeRandom);
    await directory.close();
    return directory.identity.incarnation;
  }

  const said = (pattern: RegExp) =>
    cluster.log.lines.filter(({ message }) => pattern.test(message)).length;

  const votes = (name: string) => () =>
    cluster.isReady(name) && cluster.membershipOf(name, name) === "voter";

  it("is added by whoever leads, filled, and votes; the same command again only starts it", async () => {
    const follower = cluster.names.find((name) => name !== cluster.leader()) ?? "";
    // One unit file for all machines names this one too.
    const join = [cluster.address("n4"), cluster.address(follower)];
    await cluster.join("n4", { join });
    await cluster.until(votes("n4"));
    await cluster.until(() => ["n1", "n2", "n3"].every((by) => cluster.membershipOf("n4", by)));
    const before = cluster.nodes.get("n4")?.status();
    expect(before?.lineage).toBe(cluster.nodes.get("n1")?.status()?.lineage);
    await cluster.nodes.get("n4")?.stop();
    await cluster.join("n4");
    await cluster.until(votes("n4"));
    expect(cluster.nodes.get("n4")?.status()?.id).toBe(before?.id);
    expect(said(/joining a cluster/)).toBe(1);
    await cluster.nodes.get("n4")?.stop();
    await cluster.start("n4", { bootstrap: [] });
    await cluster.until(votes("n4"));
  });

  it("stays a learner with --learner, and says what to type", async () => {
    await cluster.join("n4", { learner: true });
    await cluster.until(() => cluster.isReady("n4") && cluster.membershipOf("n4", "n4") !== null);
    // Nothing tells that it has not asked.
    await sleep(4 * PROMOTION_ASK_MS);
    expect(cluster.membershipOf("n4")).toBe("learner");
    const [line] = cluster.log.lines.filter(({ message }) => /^joined the cluster/.test(message));
    expect(line?.fields).toMatchObject({
      hint: expect.stringContaining("'rollcall member promote n4'"),
    });
    const { status } = await cluster.operate("operation=replace&member=n3&by=n4");
    expect(status).toBe(200);
    expect((await cluster.nodes.get("n3")?.ended)?.exitCode).toBe(78);
    await cluster.until(votes("n4"));
  });

  it("waits for a member that answers, and /readyz says for whom", async () => {
    const [silent = 0] = await freePorts(1);
    const [late = 0] = await freePorts(1);
    const seeds = [`127.0.0.1:${silent}`, `127.0.0.1:${late}`];
    await cluster.join("n4", { join: seeds });
    await cluster.until(() => said(/cannot join yet: .*ECONNREFUSED/) > 0);
    const ready = await fetch(`http://${cluster.address("n4")}/readyz`);
    expect([ready.status, await ready.text()]).toEqual([
      503,
      expect.stringMatching(/born failed: joining a cluster: 127\.0\.0\.1:\d+: .*ECONNREFUSED/),
    ]);
    await cluster.nodes.get("n3")?.stop();
    await cluster.start("n3", {
      bootstrap: [...cluster.bootstrap(["n1", "n2"]), `n3=127.0.0.1:${late}`],
      listen: `127.0.0.1:${late}`,
    });
    await cluster.until(votes("n4"));
  });

  it("waits for a leader, and can be stopped meanwhile", async () => {
    await cluster.nodes.get("n2")?.stop();
    await cluster.nodes.get("n3")?.stop();
    const waiting = await cluster.join("n4");
    await cluster.until(() => said(/cannot join yet: n1 does not lead/) > 0);
    await waiting.stop();
    expect(await waiting.ended).toMatchObject({ exitCode: 0 });
    await cluster.join("n4");
    await cluster.start("n3");
    await cluster.until(votes("n4"), 20_000);
  }, 30_000);

  it("waits for a first member that is not born yet itself", async () => {
    const bootstrap = [`n5=${cluster.address("n5")}`, `n6=${cluster.address("n6")}`];
    await cluster.start("n5", { bootstrap });
    await cluster.join("n4", { join: cluster.address("n5") });
    await cluster.until(() => said(/n5 at .* is not born yet/) > 0);
    await cluster.start("n6", { bootstrap });
    await cluster.until(votes("n4"));
    expect(cluster.membershipOf("n4", "n5")).toBe("voter");
  });

  it("is refused under the name of a member: a wiped one does not come back so", async () => {
    await cluster.nodes.get("n2")?.stop();
    await rm(cluster.dataDir("n2"), { recursive: true });
    await cluster.until(() => cluster.leader() !== "n2");
    const error = await refusal(await cluster.join("n2"));
    expect(error.message).toMatch(
      /n2 cannot join: n2 is already the name of a voter \([0-9a-f]+\)/,
    );
    expect(error.hint).toMatch(
      /never comes back .*'rollcall start --join .*'rollcall member replace OLD NEW'/,
    );
    expect(cluster.membershipOf("n2")).toBe("voter");
  });

  it("is refused at the address of a member", async () => {
    const leader = cluster.leader();
    const name = cluster.names.find((other) => other !== leader) ?? "";
    const [advertise, join] = [cluster.address(name), cluster.address(leader)];
    const error = await refusal(await cluster.join("n4", { advertise, join }));
    expect(error.message).toContain(`${advertise} is already the address of ${name}`);
    expect(error.hint).toContain("'rollcall member remove NAME'");
    expect(cluster.membershipOf("n4")).toBeNull();
  });

  it("does not mix two clusters", async () => {
    const bootstrap = [`n5=${cluster.address("n5")}`];
    await (await cluster.start("n5", { bootstrap })).serving;
    const join = [cluster.address("n1"), cluster.address("n5")];
    const error = await refusal(await cluster.join("n4", { join }));
    expect(error.message).toMatch(/is of cluster .*, and .* of /);
    const { body } = await cluster.operate(
      `operation=join&id=${"0".repeat(16)}&name=n4&address=127.0.0.1:1&lineage=other.1`,
    );
    expect(body["error"]).toMatchObject({ code: "CONFLICT", reason: "otherCluster" });
  });

  describe("and was killed", () => {
    it("before it asked, joins under the incarnation that it had drawn", async () => {
      const id = await unborn("n4");
      await cluster.join("n4");
      await cluster.until(votes("n4"));
      expect(cluster.nodes.get("n4")?.status()?.id).toBe(id);
    });

    it("when it was added and not born, is added anew, and is not taken for one removed", async () => {
      const id = await unborn("n4");
      const lineage = cluster.nodes.get("n1")?.status()?.lineage ?? "";
      const place = `name=n4&address=${cluster.address("n4")}`;
      const query = `operation=join&id=${id}&${place}&lineage=${lineage}`;
      expect((await cluster.operate(query)).status).toBe(200);
      expect(cluster.membershipOf("n4")).toBe("learner");
      const added = said(/another configuration is in force/);
      await cluster.join("n4");
      await cluster.until(votes("n4"));
      expect(said(/another configuration is in force/)).toBeGreaterThan(added);
      expect(cluster.nodes.get("n4")?.status()?.id).toBe(id);
      expect(said(/was removed/)).toBe(0);
    });

    it("when it was added, born and then removed, learns of it when it starts", async () => {
      await (await cluster.join("n4", { learner: true })).serving;
      await cluster.nodes.get("n4")?.stop();
      expect((await cluster.operate("operation=remove&member=n4")).status).toBe(200);
      const [port = 0] = await freePorts(1);
      const listen = `127.0.0.1:${port}`;
      const error = await refusal(await cluster.join("n4", { listen, learner: true }));
      expect(error.message).toMatch(/n4 was removed from cluster/);
      expect(said(/^a peer knows more of this node/)).toBeGreaterThan(0);
    });
  });

  it("is refused with an old copy of its directory, once it votes", async () => {
    await unborn("n4");
    const copy = `${cluster.dataDir("n4")}-copy`;
    await cp(cluster.dataDir("n4"), copy, { recursive: true });
    await cluster.join("n4");
    await cluster.until(votes("n4"));
    await cluster.nodes.get("n4")?.stop();
    await rm(cluster.dataDir("n4"), { recursive: true });
    await rename(copy, cluster.dataDir("n4"));
    const error = await refusal(await cluster.join("n4"));
    expect(error.message).toMatch(/n4 \([0-9a-f]+\) votes already/);
    expect(error.hint).toContain("rollcall member replace OLD NEW");
  });
});

describe("a member that was away while all others were replaced", () => {
  /** The promotion of the last who came may not be complete. */
  async function removed(cluster: Cluster, name: string): Promise<void> {
    let status = 0;
    while (status !== 200) {
      const { status: answered, body } = await cluster.operate(`operation=remove&member=${name}`);
      if (answered !== 200) {
        expect(body["error"]).toMatchObject({ reason: "inProgress" });
      }
      status = answered;
    }
  }

  it("is found by those who came, lets them in, and learns of them", async () => {
    const cluster = await Cluster.started(3, 2);
    onTestFinished(() => cluster.close());
    await cluster.nodes.get("n3")?.stop();
    cluster.nodes.delete("n3");
    const newcomers = ["n4", "n5"];
    await Promise.all(newcomers.map((name) => cluster.join(name)));
    await cluster.until(() => newcomers.every((name) => cluster.membershipOf(name) === "voter"));
    for (const gone of ["n1", "n2"]) {
      await removed(cluster, gone);
      await cluster.nodes.get(gone)?.ended;
      cluster.nodes.delete(gone);
      await cluster.until(() => newcomers.every((name) => cluster.isReady(name)));
    }
    await cluster.start("n3");
    await cluster.until(() => cluster.isReady("n3"));
    const members = cluster.nodes
      .get("n3")
      ?.status()
      ?.members.map(({ name }) => name);
    expect(members).toEqual(["n3", "n4", "n5"]);
  }, 30_000);
});

describe("a cluster that is joined again and again", () => {
  it("takes no more than MEMBERS_MAX members", async () => {
    const cluster = await Cluster.started(1);
    onTestFinished(() => cluster.close());
    for (let count = 2; count <= MEMBERS_MAX + 1; count += 1) {
      const id = `${count}`.padStart(16, "0");
      const { status, body } = await cluster.operate(
        `operation=add&id=${id}&name=n${count}&address=127.0.0.1:${count}`,
      );
      if (count <= MEMBERS_MAX) {
        expect(status).toBe(200);
      } else {
        expect([status, body["error"]]).toMatchObject([409, { code: "LIMIT", limit: MEMBERS_MAX }]);
      }
    }
  });
});

describe("a member that was removed while it was away", () => {
  it("is told by the others, says so, ends with 78, and does not start again", async () => {
    const cluster = await Cluster.started(3);
    onTestFinished(() => cluster.close());
    await cluster.until(() => cluster.names.every((name) => cluster.isReady(name)));
    const away = cluster.names.find((name) => name !== cluster.leader()) ?? "";
    await cluster.nodes.get(away)?.stop();
    expect((await cluster.operate(`operation=remove&member=${away}`)).status).toBe(200);
    // Where nobody dials it, so that it cannot read in the log what the others tell it.
    const [port = 0] = await freePorts(1);
    const listen = `127.0.0.1:${port}`;
    const bootstrap = cluster
      .bootstrap()
      .map((entry) => (entry.startsWith(away) ? `${away}=${listen}` : entry));
    const end = await (await cluster.start(away, { bootstrap, listen })).ended;
    expect(end.exitCode).toBe(78);
    expect((end.error as NodeError).message).toMatch(
      new RegExp(`${away} was removed from cluster`),
    );
    const told = cluster.log.lines.filter(({ message }) => /^a peer knows more/.test(message));
    expect(told.length).toBeGreaterThan(0);
    const again = cluster.start(away);
    await expect(again).rejects.toMatchObject({ code: "REMOVED" });
    expect(exitCodeOf(await again.catch((error: unknown) => error))).toBe(78);
    cluster.nodes.delete(away);
  });
});
