import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Block, blocksOf, commandsOf, readPage, TOP } from "../docs/page.ts";
import { Cluster } from "./cluster.ts";
import { PlainClient } from "./plain-client.ts";
import { Inbox, within } from "./wait.ts";

const blocks = blocksOf(readPage("README.md"));
const PORT = 7420;
const ANSWER_MS = 15_000;

let cluster: Cluster;
let folder: string;

beforeAll(async () => {
  cluster = await Cluster.start();
  // A project of a user's own, with this package installed.
  folder = await mkdtemp(join(tmpdir(), "rollcall-readme-"));
  await mkdir(join(folder, "node_modules"));
  await symlink(TOP, join(folder, "node_modules", "rollcall"));
});

afterAll(async () => {
  await cluster.stop();
  await rm(folder, { recursive: true, force: true });
});

function blocksMarked(mark: string): Block[] {
  const found = blocks.filter((block) => block.mark === mark);
  expect(found, `README.md has a block marked "${mark}"`).not.toEqual([]);
  return found;
}

function textMarked(mark: string): string {
  return blocksMarked(mark)
    .map(({ text }) => text)
    .join("");
}

/** The addresses of `npm start` become those of the cluster under test. */
function onCluster(text: string): string {
  return cluster.nodes.reduce(
    (changed, node, at) => changed.replaceAll(`:${PORT + at}`, `:${node.port}`),
    text,
  );
}

/** A process whose lines on stdout can be awaited. */
class Program {
  readonly lines = new Inbox<string>();
  readonly exited: Promise<number | null>;
  readonly #process: ChildProcess;
  #errors = "";
  #rest = "";

  constructor(args: readonly string[], env: NodeJS.ProcessEnv = {}, cwd = TOP) {
    this.#process = spawn(process.execPath, [...args], {
      cwd,
      env: { ...process.env, ...env, NO_COLOR: "1" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#process.stdout?.setEncoding("utf8").on("data", (text: string) => {
      const lines = (this.#rest + text).split("\n");
      this.#rest = lines.pop() ?? "";
      for (const line of lines) {
        this.lines.push(line);
      }
    });
    this.#process.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#errors += text;
    });
    this.exited = new Promise((resolve) => this.#process.on("close", resolve));
  }

  line(what: string, accepts: (line: string) => boolean): Promise<string> {
    return this.lines.next(ANSWER_MS, what, accepts).catch((error: unknown) => {
      throw new Error(`${String(error)}; it said on stderr: ${this.#errors}`);
    });
  }

  /** What it said on stderr so far. */
  get errors(): string {
    return this.#errors;
  }

  kill(): void {
    this.#process.kill("SIGKILL");
  }

  /** Ctrl-C; resolves with the exit code. */
  interrupt(): Promise<number | null> {
    this.#process.kill("SIGINT");
    return this.end();
  }

  end(): Promise<number | null> {
    return within(ANSWER_MS, "a program to end", this.exited);
  }
}

describe("the provider and the consumer of the README", () => {
  test("run as they stand, and the one sees the other come and go", async () => {
    const running: Program[] = [];
    const start = async (name: string): Promise<Program> => {
      await writeFile(join(folder, name), onCluster(textMarked(name)));
      const program = new Program([name], {}, folder);
      running.push(program);
      return program;
    };
    try {
      const consumer = await start("consumer.mjs");
      expect(await consumer.line("an empty list", () => true)).toBe("revision 0: nobody");
      const provider = await start("provider.mjs");
      await provider.line("its ok", (line) => line === "on the disks of a majority at revision 1");
      await consumer.line("the instance", (line) => line === "revision 1: 127.0.0.1:9000");
      expect(await provider.interrupt()).toBe(0);
      await consumer.line("its leaving", (line) => line === "revision 2: nobody");
    } finally {
      for (const program of running) {
        program.kill();
      }
    }
  });
});

describe("the commands of the README", () => {
  test("work in their order, while those that hold something run beside them", async () => {
    const env = { ROLLCALL_SERVER: cluster.urls.join(",") };
    const held: { readonly line: string; readonly program: Program }[] = [];
    const shell = blocks.filter(({ language }) => language === "sh");
    const lines = shell.flatMap((block) =>
      commandsOf(block).map((line) => ({ line, isHeld: block.mark === "hold" })),
    );
    try {
      for (const { line, isHeld } of lines) {
        const [command = "", ...args] = onCluster(line).replaceAll('"', "").split(" ");
        if (command === "curl") {
          const response = await fetch(args.join(" "));
          expect(response.status, line).toBe(200);
          expect(await response.text(), line).toContain("127.0.0.1:8080");
        } else if (command === "node") {
          const program = new Program(args, env);
          held.push(...(isHeld ? [{ line, program }] : []));
          const first = await program.line(`the first line of ${line}`, () => true);
          expect(first, line).not.toBe("");
          if (!isHeld) {
            expect(await program.end(), `${line}: ${program.errors}`).toBe(0);
          }
        }
      }
      expect(held.map(({ line }) => line)).toHaveLength(2);
      for (const { line, program } of held) {
        expect(await program.interrupt(), line).toBe(130);
      }
    } finally {
      for (const { program } of held) {
        program.kill();
      }
    }
  });
});

describe("the JSON of the README", () => {
  test("is understood as it stands, and answered in the shapes that it shows", async () => {
    const [register, subscribe, unregister] = blocksMarked("plain-request").map(
      ({ text }) => JSON.parse(text) as object,
    );
    const { endpoints } = JSON.parse(textMarked("plain-push")) as { endpoints: object[] };
    const answer = JSON.parse(textMarked("plain-answer")) as object;
    const client = await PlainClient.open(cluster.urls[0] ?? "");
    for (const request of [subscribe, register]) {
      client.send(request ?? {});
      expect(await client.answer()).toEqual({ ...answer, version: expect.any(String) });
    }
    const push = await client.push("the instance", ({ endpoints: list }) => list?.length === 1);
    expect(push).toMatchObject({ version: expect.any(String), watch: 0, endpoints });
    client.send(unregister ?? {});
    expect(await client.answer()).toMatchObject({ ok: true });
    await client.push("an empty list", ({ watch, endpoints: list }) => {
      return watch === 0 && list?.length === 0;
    });
    await client.close();
  });
});

/** The first of three ports in a row that nobody listens on. */
async function freePortOfThree(): Promise<number> {
  for (let port = 20_000 + (process.pid % 20_000); ; port += 3) {
    const isFree = await Promise.all([port, port + 1, port + 2].map(canListen));
    if (isFree.every(Boolean)) {
      return port;
    }
  }
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

describe("the start of a cluster", () => {
  test("prints what the README shows", async () => {
    const port = await freePortOfThree();
    const program = new Program(["bin/rollcall.js", "dev", "--ephemeral", "--port", `${port}`]);
    const isLast = (line: string): boolean => line.startsWith("Ctrl-C");
    try {
      const last = await program.line("its last line", isLast);
      const printed = [...program.lines.items, last].join("\n");
      expect(await program.interrupt()).toBe(0);
      const [, dir = ""] = /in (\S+) \(removed at the end\)/.exec(printed) ?? [];
      const shown = textMarked("dev").trimEnd();
      const [, shownDir = ""] = /in (\S+)$/m.exec(shown) ?? [];
      const asShown = printed
        .replaceAll(dir, shownDir)
        .replace(" (removed at the end)", "")
        .replaceAll(` -s 127.0.0.1:${port}`, "")
        .replace(/(ws:.*):(\d+)/g, (_, host, found) => `${host}:${Number(found) - port + PORT}`);
      expect(anyStart(asShown)).toBe(anyStart(shown));
    } finally {
      program.kill();
    }
  });
});

/** Who wins the first election, in which term, and the process ids are different every time. */
function anyStart(text: string): string {
  return text
    .replace(/ {2}leader$/m, "")
    .replace(/^n\d leads in term \d+/m, "n1 leads in term 1")
    .replace(/pid \d+/g, "pid 1");
}
