import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { freePorts } from "../../jepsen-lite/net/ports.ts";
import { connect } from "../../src/client/index.ts";
import { Cluster } from "./cluster.ts";
import { PlainClient } from "./plain-client.ts";

let cluster: Cluster;

beforeEach(async () => {
  cluster = await Cluster.start();
});

afterEach(async () => {
  await cluster.stop();
});

describe("a node that joins when the log is cut", () => {
  test("is filled by a snapshot that does not name it, and votes", async () => {
    const [, staying] = await cluster.followers();
    const writer = await PlainClient.open(staying.url);
    const value = "x".repeat(4_000);
    // An entry of every address replaces the former: the log grows, the state does not.
    const write = (version: number): void =>
      writer.send({
        ...{ application: "big", protocol: "http", addr: `big.example:${1 + (version % 50)}` },
        meta: { version: `${version}`, a: value, b: value, c: value },
      });
    const isTaken = async (): Promise<boolean> =>
      (await staying.log()).some(({ msg }) => msg === "snapshot taken");
    let version = 0;
    while (!(await isTaken())) {
      for (let sent = 0; sent < 200; sent += 1) {
        version += 1;
        write(version);
      }
      for (let answered = 0; answered < 200; answered += 1) {
        expect(await writer.answer()).toMatchObject({ ok: true });
      }
    }
    const [port = 0] = await freePorts(1);
    const args = ["--listen", `127.0.0.1:${port}`];
    const node = cluster.add("n4", port, [...args, "--join", `127.0.0.1:${staying.port}`]);
    await node.votes();
    expect((await node.log()).map(({ msg }) => msg)).toContain("snapshot installed");
    const client = await connect({ servers: [node.url] });
    const { instances } = await client.consumer.get("big", { read: { staleMs: null } });
    expect(instances).toHaveLength(50);
    expect(instances.map(({ meta }) => Number(meta["version"]))).toContain(version);
    await client.close();
    await writer.close();
  });
});

describe("a node that joins and is killed again and again", () => {
  test("is a member once, in the end", async () => {
    const [port = 0] = await freePorts(1);
    const seeds = cluster.nodes.map((node) => `127.0.0.1:${node.port}`).join(",");
    const args = ["--join", seeds, "--listen", `127.0.0.1:${port}`];
    const node = cluster.add("n4", port, args);
    let kills = 0;
    // From before it has listened to behind its promotion, in steps of a disk's sync or a few.
    for (let lifeMs = 200; lifeMs < 900; lifeMs += 50) {
      await sleep(lifeMs);
      await node.kill();
      kills += 1;
      node.start();
    }
    await node.votes();
    expect(kills).toBeGreaterThan(10);
    for (const other of cluster.nodes.slice(0, 3)) {
      const names = (await other.members()).map(({ name }) => name);
      expect(names).toEqual(["n1", "n2", "n3", "n4"]);
    }
    expect(await node.errors()).toBe("");
  });
});
