import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { freePorts } from "../../jepsen-lite/net/ports.ts";
import { until } from "../../jepsen-lite/real/wait.ts";
import { encodeIdentity } from "../../src/storage/identity.ts";
import { ClusterNode, rollcall } from "./cluster.ts";

const KEPT = fileURLToPath(new URL("../storage/format-1", import.meta.url));

interface Expected {
  readonly hardState: { readonly term: number };
  readonly entries: readonly { readonly index: number }[];
  readonly state: {
    readonly revision: number;
    readonly digest: string;
    readonly sessions: number;
    readonly instances: readonly object[];
  };
}

test("a node that is started on a directory of format 1 leads with all that is in it", async () => {
  const top = await mkdtemp(join(tmpdir(), "rollcall-format-"));
  const [port = 0] = await freePorts(1);
  const node = new ClusterNode("n1", port, top, ["--listen", `127.0.0.1:${port}`]);
  onTestFinished(async () => {
    await node.kill();
    await rm(top, { recursive: true, force: true });
  });
  await cp(join(KEPT, "n1"), node.dataDir, { recursive: true });
  const expected = JSON.parse(await readFile(join(KEPT, "expected.json"), "utf8")).n1 as Expected;
  const { revision, digest, sessions, instances } = expected.state;
  const last = expected.entries.at(-1)?.index ?? 0;

  node.start();
  const status = await until(20_000, "n1 to lead", async () => {
    const found = await node.status();
    return found?.isCaughtUp === true && found.role === "leader" ? found : null;
  });
  expect(status).toMatchObject({ revision, digest, sessions, instances: instances.length });
  expect(status.term).toBeGreaterThan(expected.hardState.term);
  expect(status.applied).toBe(last + 1);

  const env = { ROLLCALL_SERVER: node.url };
  expect((await rollcall(["register", "new", "h:1", "--persistent"], env)).code).toBe(0);
  const { out } = await rollcall(["get", "shop", "-o", "json"], env);
  expect(JSON.parse(out).items).toEqual([
    expect.objectContaining({ addr: "10.0.0.1:80", weight: 250, status: "up" }),
    expect.objectContaining({ addr: "10.0.0.5:80" }),
  ]);
});

test("a directory of a later format is refused with both numbers, and what to do", async () => {
  const top = await mkdtemp(join(tmpdir(), "rollcall-format-"));
  onTestFinished(() => rm(top, { recursive: true, force: true }));
  const path = join(top, "n1");
  await cp(join(KEPT, "n1"), path, { recursive: true });
  const identity = { formatVersion: 2, name: "n1", incarnation: "a1b2c3d4e5f60718" };
  await writeFile(join(path, "identity"), encodeIdentity(identity));
  const args = ["start", "--id", "n1", "--data", path, "--listen", "127.0.0.1:0"];
  const { code, err } = await rollcall(args, {});
  expect(code).toBe(78);
  expect(err).toContain("has format 2; this Rollcall knows formats up to 1");
  expect(err).toContain("Start it with the Rollcall that wrote it, or a newer one");
});
