import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { checkPorts, layOut, makeDirectories } from "../../src/cli/dev-layout.ts";
import { lastErrorOf } from "../../src/cli/dev-node.ts";
import { ownCommand } from "../../src/cli/own-command.ts";
import { run } from "../../src/cli/program.ts";
import { captured } from "./captured-world.ts";

let folder = "";

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "rollcall-cli-"));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

function lay(nodes: number | null, port = 7420) {
  return layOut({ dir: "data", cwd: folder, nodes, port });
}

describe("where the nodes of dev are", () => {
  test("three of them on ports in a row, each with a directory and a log", () => {
    const { dir, members, isKept } = lay(null);
    expect(isKept).toBe(false);
    expect(dir).toBe(join(folder, "data"));
    expect(members.map(({ name, address }) => `${name} ${address}`)).toEqual([
      "n1 127.0.0.1:7420",
      "n2 127.0.0.1:7421",
      "n3 127.0.0.1:7422",
    ]);
    expect(members[1]).toMatchObject({
      dataDir: join(folder, "data", "n2"),
      logPath: join(folder, "data", "n2.log"),
    });
  });

  test("a later start has as many as the first, unless it is told a wrong number", () => {
    makeDirectories(lay(5));
    expect(lay(null).members).toHaveLength(5);
    expect(lay(5).isKept).toBe(true);
    expect(() => lay(3)).toThrow(/holds a cluster of 5, not of 3/);
  });

  test("a lost directory makes no smaller cluster", () => {
    makeDirectories(lay(3));
    rmSync(join(folder, "data", "n2"), { recursive: true });
    expect(lay(null).members).toHaveLength(3);
  });

  test("an ephemeral one is new each time", () => {
    const once = layOut({ dir: null, cwd: folder, nodes: null, port: 7420 });
    const again = layOut({ dir: null, cwd: folder, nodes: null, port: 7420 });
    rmSync(once.dir, { recursive: true });
    rmSync(again.dir, { recursive: true });
    expect(once.dir).not.toBe(again.dir);
  });

  test("ports end at 65535", () => {
    expect(() => lay(3, 65_534)).toThrow(/--port 65534 leaves no room/);
    expect(lay(2, 65_534).members).toHaveLength(2);
  });

  test("a place where nothing can be made is told", () => {
    writeFileSync(join(folder, "data"), "a file");
    expect(() => lay(3)).toThrow(/cannot be made/);
  });
});

describe("a port that is taken", () => {
  test("is an error that names --port, before anything is started", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    await expect(checkPorts(lay(1, port))).rejects.toMatchObject({
      exitCode: 78,
      message: expect.stringContaining(`port ${port} is taken`),
      hint: expect.stringContaining("--port"),
    });
    const args = ["dev", "--nodes", "1", "--port", String(port), "--data", "data"];
    const { world, out, err } = captured(args, { cwd: folder });
    expect(await run(world)).toBe(78);
    expect(out()).toBe("");
    expect(err()).toContain("--port");
    await new Promise((resolve) => server.close(resolve));
    await expect(checkPorts(lay(1, port))).resolves.toBeUndefined();
  });
});

describe("why a node ended", () => {
  const line = (pid: number, level: string, msg: string): string =>
    `${JSON.stringify({ level, pid, node: "n1", msg })}\n`;

  test("is the last error of that process, not of an earlier one with the same log", () => {
    const log = line(1, "error", "old") + line(2, "error", "disk") + line(2, "info", "bye");
    expect(lastErrorOf(log, 2)).toEqual({ message: "disk", hint: "" });
    expect(lastErrorOf(log, 3)).toBe(null);
  });

  test("comes with the node's advice", () => {
    const log = `${JSON.stringify({ level: "error", pid: 2, msg: "damaged", hint: "keep it" })}\n`;
    expect(lastErrorOf(log, 2)).toEqual({ message: "damaged", hint: "keep it" });
  });

  test("is what the command line said where the node never began", () => {
    expect(lastErrorOf("rollcall: --listen is wrong\nhint: no\n", 2)).toEqual({
      message: "--listen is wrong",
      hint: "no",
    });
    expect(lastErrorOf("", 2)).toBe(null);
  });
});

describe("the command that a person is told to type", () => {
  let bin = "";
  const told = (env: Record<string, string>, binPath = bin, cwd = folder) =>
    ownCommand(captured([], { env, cwd, binPath }).world);

  beforeEach(() => {
    mkdirSync(join(folder, "app", "bin"), { recursive: true });
    bin = join(folder, "app", "bin", "rollcall.js");
    writeFileSync(bin, "");
    chmodSync(bin, 0o755);
  });

  function linkIn(place: string): string {
    mkdirSync(join(folder, place), { recursive: true });
    symlinkSync(bin, join(folder, place, "rollcall"));
    return join(folder, place);
  }

  test("is rollcall where the shell finds this very program", () => {
    expect(told({ PATH: `/nowhere:${linkIn("usr/bin")}` })).toBe("rollcall");
  });

  test("is npx rollcall where only npm's folder has it", () => {
    const place = linkIn("node_modules/.bin");
    expect(told({ PATH: place })).toBe("npx rollcall");
    expect(told({ PATH: "/nowhere" }, join(place, "rollcall"))).toBe("npx rollcall");
  });

  test("is the path else, and another program of that name does not count", () => {
    mkdirSync(join(folder, "other"));
    writeFileSync(join(folder, "other", "rollcall"), "");
    const env = { PATH: join(folder, "other") };
    expect(told(env, bin, join(folder, "app"))).toBe("node bin/rollcall.js");
    expect(told(env, bin, "/very/far/away/from/all/of/this/indeed/it/is")).toBe(`node ${bin}`);
  });
});
