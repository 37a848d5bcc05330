import { access, mkdir } from "node:fs/promises";
import { createServer } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Cluster } from "./world.ts";

describe("a node that cannot start", () => {
  let cluster: Cluster;

  beforeEach(async () => {
    cluster = await Cluster.make(2);
  });

  afterEach(() => cluster.close());

  const isThere = (path: string) =>
    access(path).then(
      () => true,
      () => false,
    );

  /** Something else on the port of n1. */
  async function occupied(): Promise<() => Promise<unknown>> {
    const server = createServer();
    const port = Number(cluster.address("n1").split(":")[1]);
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    return () => new Promise((resolve) => server.close(resolve));
  }

  it("because its port is taken has not made its directory", async () => {
    const free = await occupied();
    await expect(cluster.start("n1")).rejects.toMatchObject({
      exitCode: 78,
      message: expect.stringContaining("something listens there already"),
      hint: expect.stringContaining("--listen"),
    });
    expect(await isThere(cluster.dataDir("n1"))).toBe(false);
    await free();
  });

  it.each(["is missing", "is empty"])(
    "because nobody says who its cluster is writes nothing where the directory %s",
    async (directory) => {
      const path = cluster.dataDir("n1");
      if (directory === "is empty") {
        await mkdir(path);
      }
      await expect(cluster.start("n1", { bootstrap: [] })).rejects.toMatchObject({
        exitCode: 78,
        hint: expect.stringContaining("--bootstrap"),
      });
      expect(await isThere(path)).toBe(directory === "is empty");
      expect(await isThere(`${path}/identity`)).toBe(false);
    },
  );

  it("because its directory is another's lets go of the port", async () => {
    await cluster.start("n2");
    await cluster.nodes.get("n2")?.stop();
    const dataDir = cluster.dataDir("n2");
    await expect(cluster.start("n1", { dataDir })).rejects.toMatchObject({ code: "FOREIGN" });
    const free = await occupied();
    await free();
  });
});
