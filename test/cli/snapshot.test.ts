import { createHash } from "node:crypto";
import { readdir, readFile, stat, truncate, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { run } from "../../src/cli/program.ts";
import { BareClient, Cluster } from "../server/world.ts";
import { captured } from "./captured-world.ts";

let cluster: Cluster;
let provider: BareClient;

beforeAll(async () => {
  cluster = await Cluster.started(3);
  provider = await BareClient.open(cluster.address("n1"));
  await put("shop", 1);
  await put("shop", 2);
  await put("cart", 1);
}, 20_000);

afterAll(async () => {
  provider.ws.terminate();
  await cluster.close();
});

async function put(application: string, port: number): Promise<void> {
  provider.send({ application, protocol: "http", addr: `127.0.0.1:${port}` });
  expect(await provider.next()).toMatchObject({ ok: true });
}

interface Ran {
  readonly exitCode: number;
  readonly out: string;
  readonly err: string;
}

async function snapshot(args: readonly string[], options: object = {}): Promise<Ran> {
  const { world, out, err } = captured(["snapshot", ...args], { cwd: cluster.root, ...options });
  return { exitCode: await run(world), out: out(), err: err() };
}

const save = (name: string, file: string, ...more: string[]): Promise<Ran> =>
  snapshot(["save", file, "-s", cluster.address(name), ...more]);

/** As the last node of a cluster says that it is; a state is compared by it. */
const digestOf = (name: string): string => cluster.nodes.get(name)?.status()?.digest ?? "";

describe("snapshot save", () => {
  test("of each node writes the state that all have, and says what and how old", async () => {
    for (const name of cluster.names) {
      const { exitCode, out } = await save(name, `${name}.snap`, "--linearizable", "-o", "json");
      expect(exitCode).toBe(0);
      const said = JSON.parse(out);
      expect(said).toMatchObject({
        kind: "SnapshotSaved",
        node: name,
        lineage: cluster.nodes.get(name)?.status()?.lineage,
        revision: 3,
        instances: 3,
        sessions: 1,
        digest: digestOf(name),
        members: [{ name: "n1", membership: "voter" }, { name: "n2" }, { name: "n3" }],
      });
      const bytes = await readFile(join(cluster.root, `${name}.snap`));
      const sha256 = createHash("sha256").update(bytes.subarray(0, -32)).digest("hex");
      expect([said.sha256, said.fileBytes]).toEqual([sha256, bytes.length]);
      expect(bytes.subarray(-32).toString("hex")).toBe(sha256);
    }
  });

  test("says it to people", async () => {
    const { exitCode, out, err } = await save("n2", "people.snap");
    expect([exitCode, err]).toEqual([0, ""]);
    expect(out).toMatch(/^saved .*people.snap: 3 instances, 1 session, \d/);
    expect(out).toMatch(
      /\n {2}of cluster [0-9a-f]{32}\.1, by n2\n {2}index \d+ in term \d+, revision 3\n/,
    );
    expect(out).toMatch(/\n {2}sha256 [0-9a-f]{64}\n {2}at most .* old when it was taken\n$/);
  });

  test("shows a line of progress on a terminal, and takes it away", async () => {
    const { err } = await snapshot(["save", "tty.snap", "-s", cluster.address("n1")], {
      isTty: true,
    });
    const [before, line, after] = err.split("\r\u001b[2K");
    expect([before, after]).toEqual(["", ""]);
    expect(line).toMatch(/^from ws:.*: \d[.\d]* K?B$/);
  });

  test("takes the place of nothing unless told to, and leaves nothing behind", async () => {
    await writeFile(join(cluster.root, "kept.snap"), "mine");
    const refused = await save("n1", "kept.snap");
    expect(refused).toMatchObject({ exitCode: 4, err: expect.stringContaining("--force") });
    expect(await readFile(join(cluster.root, "kept.snap"), "utf8")).toBe("mine");
    expect((await save("n1", "kept.snap", "--force")).exitCode).toBe(0);
    expect((await snapshot(["inspect", "kept.snap"])).exitCode).toBe(0);
    const nobody = await snapshot(["save", "nobody.snap", "-s", "127.0.0.1:1"]);
    expect(nobody).toMatchObject({ exitCode: 6, err: expect.stringContaining("no node reached") });
    expect((await save("n1", "-")).exitCode).toBe(2);
    const { mode } = await stat(join(cluster.root, "kept.snap"));
    expect((mode & 0o077).toString(8)).toBe("0");
    const folder = await save("n1", ".", "--force");
    expect(folder).toMatchObject({ exitCode: 74, err: expect.stringMatching(/cannot be written/) });
    const both = await Promise.all([0, 1].map(() => save("n1", "kept.snap", "--force")));
    expect(both.map(({ exitCode }) => exitCode)).toEqual([0, 0]);
    expect((await snapshot(["inspect", "kept.snap"])).exitCode).toBe(0);
    const nowhere = await save("n1", "no/such/place.snap");
    expect(nowhere.exitCode).toBe(78);
    const files = await readdir(cluster.root);
    expect(files.filter((file) => file.includes("nobody") || file.endsWith(".tmp"))).toEqual([]);
  });

  test.each([
    ["breaks off", (bytes: Buffer) => bytes.subarray(0, bytes.length / 2)],
    ["gives out what is damaged", (bytes: Buffer) => Buffer.from(bytes).fill(7, 500, 510)],
  ])("of a node that %s leaves what was there, and nothing beside it", async (_, spoilt) => {
    await save("n1", "good.snap", "--force");
    const good = await readFile(join(cluster.root, "good.snap"));
    const broken = createServer((_request, response) => {
      response.writeHead(200, { "Content-Length": good.length });
      response.write(spoilt(good), () => response.destroy());
    });
    await new Promise<void>((resolve) => broken.listen(0, "127.0.0.1", resolve));
    const { port } = broken.address() as AddressInfo;
    const at = ["-s", `127.0.0.1:${port}`, "--force"];
    const { exitCode, err } = await snapshot(["save", "good.snap", ...at]);
    broken.close();
    expect([exitCode, err]).toEqual([6, expect.stringContaining("no node reached")]);
    expect(await readFile(join(cluster.root, "good.snap"))).toEqual(good);
    expect((await readdir(cluster.root)).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });

  test("--dry-run says what there is, and writes nothing", async () => {
    const { exitCode, out } = await save("n3", "dry.snap", "--dry-run");
    expect(exitCode).toBe(0);
    expect(out).toMatch(/^n3 \(.*\) has 3 instances, 1 session at revision 3, at most .* old\n/);
    expect(await readdir(cluster.root)).not.toContain("dry.snap");
    expect((await save("n1", "kept.snap", "--dry-run")).exitCode).toBe(4);
  });

  test("holds of one moment while the state goes on changing", async () => {
    let isOver = false;
    const writing = (async () => {
      for (let port = 1; !isOver; port += 1) {
        await put("busy", 1 + (port % 500));
      }
    })();
    for (let round = 0; round < 5; round += 1) {
      // What is saved was made again from its bytes, and has the digest of that moment.
      const { exitCode, err } = await save("n1", "busy.snap", "--force");
      expect([exitCode, err]).toEqual([0, ""]);
    }
    isOver = true;
    await writing;
  });
});

describe("snapshot inspect", () => {
  test("shows what is in it, as a table and for programs", async () => {
    await save("n1", "look.snap", "--force", "--linearizable");
    const table = await snapshot(["inspect", "look.snap"]);
    expect(table.exitCode).toBe(0);
    expect(table.out).toMatch(/\nage then +at most /);
    expect(table.out).toMatch(/\napplications +3\n/);
    expect(table.out).toMatch(/\nwell: every checksum is right, and so is the state\n$/);
    const { out } = await snapshot(["inspect", "look.snap", "-o", "json"]);
    expect(JSON.parse(out)).toMatchObject({
      ...{
        kind: "Snapshot",
        applications: 3,
        sessions: 1,
        digest: digestOf("n1"),
      },
    });
  });

  test.each([
    ["one that is cut off", "is cut off: its end is missing", 1],
    ["one with a byte changed", "is damaged: a record that is not as it was written", 1],
    ["something else", "cannot be used: it is no snapshot of Rollcall", 1],
    ["one of a later version", "is of a later version: it has format 2", 78],
    ["nothing", "there is no such file", 3],
  ])("of %s says so", async (which, text, expected) => {
    const name = which.replaceAll(" ", "-");
    const file = join(cluster.root, name);
    await save("n1", name, "--force");
    const bytes = await readFile(file);
    if (which.includes("cut off")) {
      await truncate(file, bytes.length - 40);
    } else if (which.includes("byte")) {
      const at = bytes.length - 120;
      bytes[at] = (bytes[at] ?? 0) ^ 4;
      await writeFile(file, bytes);
    } else if (which.includes("else")) {
      await writeFile(file, "{}");
    } else if (which.includes("later")) {
      bytes.writeUInt32BE(2, 18);
      await writeFile(file, bytes);
    }
    const target = which === "nothing" ? "nothing-there" : name;
    const { exitCode, out, err } = await snapshot(["inspect", target]);
    expect(err).toContain(text);
    expect([exitCode, out]).toEqual([expected, ""]);
  });
});
