import { rm } from "node:fs/promises";
import { afterEach, describe, expect, it } from "vitest";
import { BirthView } from "../../src/server/birth-view.ts";
import type { NodeError } from "../../src/server/node-error.ts";
import { BareClient, Cluster } from "./world.ts";

const DEAD = "00000000000000dd";

function view(incarnations: Record<string, string>) {
  return Object.entries(incarnations).map(([name, incarnation]) => ({ name, incarnation }));
}

describe("birth (design section 6)", () => {
  let cluster: Cluster | null = null;

  afterEach(async () => {
    await cluster?.close();
    cluster = null;
  });

  it.each([[["n1", "n2", "n3"]], [["n3", "n1", "n2"]], [["n2", "n3", "n1"]]])(
    "all members write the same record, started one after another as %j",
    async (order) => {
      const born = await Cluster.make(3);
      cluster = born;
      for (const [i, name] of order.entries()) {
        const node = await born.start(name);
        if (i < 2) {
          const other = await fetch(`http://${node.address}/readyz`);
          expect(other.status).toBe(503);
          expect(await other.text()).toContain("born");
          expect((await fetch(`http://${node.address}/livez`)).status).toBe(200);
          expect(node.status()).toBeNull();
        }
      }
      await Promise.all([...born.nodes.values()].map((node) => node.serving));
      const lineages = [...born.nodes.values()].map((node) => node.status()?.lineage);
      expect(new Set(lineages).size).toBe(1);
      await born.until(() => born.names.every((name) => born.isReady(name)));
    },
  );

  it("a single member is born at once", async () => {
    cluster = await Cluster.started(1);
    expect(cluster.nodes.get("n1")?.status()).toMatchObject({ role: "leader", leader: "n1" });
  });

  it("refuses clients while it waits, with 503", async () => {
    const waiting = await Cluster.make(3);
    cluster = waiting;
    await waiting.start("n1");
    await expect(BareClient.open(waiting.address("n1"))).rejects.toThrow("503");
  });

  it("a wiped member ends with ALREADY_BOOTSTRAPPED and exit code 78, and stays out", async () => {
    const wiped = await Cluster.started(3);
    cluster = wiped;
    await wiped.nodes.get("n2")?.stop();
    await rm(wiped.dataDir("n2"), { recursive: true });
    const node = await wiped.start("n2");
    const end = await node.ended;
    expect(end.exitCode).toBe(78);
    expect((end.error as NodeError).message).toContain("ALREADY_BOOTSTRAPPED");
    expect((end.error as NodeError).hint).toMatch(
      /^Start n2 with its former data directory.*keep what is left of it/,
    );
    await expect(fetch(`http://${wiped.address("n2")}/livez`)).rejects.toThrow();
    const again = await wiped.start("n2");
    expect((await again.ended).exitCode).toBe(78);
  });

  it("a stranger ends with ALREADY_BOOTSTRAPPED, and is told whose cluster that is", async () => {
    const born = await Cluster.started(2);
    cluster = born;
    await born.nodes.get("n2")?.stop();
    const bootstrap = born.bootstrap(["n1", "n2"]).map((entry) => entry.replace("n2=", "n9="));
    const stranger = await born.start("n2", { id: "n9", dataDir: born.dataDir("n9"), bootstrap });
    const end = await stranger.ended;
    expect(end.exitCode).toBe(78);
    expect((end.error as NodeError).message).toContain("without a member named n9");
    expect((end.error as NodeError).hint).toContain("the members of that cluster are n1, n2: ");
  });

  it("two members wiped at once wait for the third, and end when it comes", async () => {
    const wiped = await Cluster.started(3);
    cluster = wiped;
    await Promise.all([...wiped.nodes.values()].map((node) => node.stop()));
    await rm(wiped.dataDir("n1"), { recursive: true });
    await rm(wiped.dataDir("n2"), { recursive: true });
    const n1 = await wiped.start("n1");
    const n2 = await wiped.start("n2");
    await wiped.until(() =>
      wiped.log.lines.some((line) => line.message === "listening" && "address" in line.fields),
    );
    expect(n1.status()).toBeNull();
    await wiped.start("n3");
    expect((await n1.ended).exitCode).toBe(78);
    expect((await n2.ended).exitCode).toBe(78);
  });

  it("a member with another list is refused, in words that name both lists", async () => {
    const differing = await Cluster.make(3);
    cluster = differing;
    await differing.start("n1");
    const n2 = await differing.start("n2", { bootstrap: differing.bootstrap(["n1", "n2"]) });
    const end = await n2.ended;
    expect(end.exitCode).toBe(78);
    expect((end.error as NodeError).message).toContain("n1,n2,n3");
    expect((end.error as NodeError).message).toMatch(/n1,n2(, |$)/);
  });

  it("a born directory needs no list, ignores one, and finds its peers again", async () => {
    const restarted = await Cluster.started(3);
    cluster = restarted;
    const lineage = restarted.nodes.get("n1")?.status()?.lineage;
    await Promise.all([...restarted.nodes.values()].map((node) => node.stop()));
    await Promise.all([
      restarted.start("n1", { bootstrap: [] }),
      restarted.start("n2", { bootstrap: restarted.bootstrap(["n2", "n3"]) }),
      restarted.start("n3", { bootstrap: [] }),
    ]);
    await restarted.until(() => restarted.names.every((name) => restarted.isReady(name)));
    expect(restarted.nodes.get("n1")?.status()?.lineage).toBe(lineage);
  });

  it("a fresh directory without a list is a configuration error", async () => {
    cluster = await Cluster.make(1);
    await expect(cluster.start("n1", { bootstrap: [] })).rejects.toMatchObject({ exitCode: 78 });
  });
});

describe("BirthView", () => {
  it("agrees only with a view that is complete and equal", () => {
    const own = new BirthView({ name: "n1", incarnation: "a".repeat(16) }, ["n2", "n1"]);
    expect(own.agreesWith(own.identities())).toBe(false);
    own.hear({ name: "n2", incarnation: "b".repeat(16), view: [] });
    expect(own.unheard()).toEqual([]);
    expect(own.agreesWith(view({ n1: "a".repeat(16), n2: "b".repeat(16) }))).toBe(true);
    expect(own.agreesWith(view({ n1: "a".repeat(16), n2: "" }))).toBe(false);
    expect(own.agreesWith(view({ n1: "a".repeat(16), n2: "c".repeat(16) }))).toBe(false);
  });

  it("takes a new incarnation for an old one, and never the old one back", () => {
    const own = new BirthView({ name: "n1", incarnation: "a".repeat(16) }, ["n1", "n2"]);
    expect(own.hear({ name: "n2", incarnation: DEAD, view: [] })).toBe("changed");
    expect(own.hear({ name: "n2", incarnation: "b".repeat(16), view: [] })).toBe("changed");
    expect(own.hear({ name: "n2", incarnation: "b".repeat(16), view: [] })).toBe("same");
    expect(own.hear({ name: "n2", incarnation: DEAD, view: [] })).toBe("conflict");
    expect(own.hear({ name: "n1", incarnation: DEAD, view: [] })).toBe("conflict");
  });

  it("makes one record of one view, whatever the order of the list", () => {
    const one = new BirthView({ name: "n1", incarnation: "a".repeat(16) }, ["n1", "n2"]);
    const two = new BirthView({ name: "n2", incarnation: "b".repeat(16) }, ["n2", "n1"]);
    one.hear({ name: "n2", incarnation: "b".repeat(16), view: [] });
    two.hear({ name: "n1", incarnation: "a".repeat(16), view: [] });
    expect(one.record()).toEqual(two.record());
    expect(one.record().clusterId).toMatch(/^[0-9a-f]{32}$/);
  });
});
