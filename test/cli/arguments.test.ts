import { describe, expect, test } from "vitest";
import { formatDuration, parseDurationMs } from "../../src/cli/duration.ts";
import { commaPairs, pair } from "../../src/cli/flags.ts";
import { run } from "../../src/cli/program.ts";
import { httpUrl, parseServers } from "../../src/cli/servers.ts";
import { captured } from "./captured-world.ts";

describe("times", () => {
  test.for([
    ["5s", 5000],
    ["250ms", 250],
    ["1.5m", 90_000],
    ["1h", 3_600_000],
    ["0", 0],
  ] as const)("%s is %i ms", ([text, durationMs]) => {
    expect(parseDurationMs(text)).toBe(durationMs);
  });

  test.for(["5", "s", "-1s", "5 s", "1e3s", "5d", "", "99999999999999999h"])(
    "'%s' is none",
    (text) => {
      expect(parseDurationMs(text)).toBe(null);
    },
  );

  test("people read the largest unit that fits", () => {
    const shown = [20, 2000, 2500, 300_000, 7_200_000, 172_800_000].map(formatDuration);
    expect(shown).toEqual(["20 ms", "2 s", "2.5 s", "5 min", "2 h", "2 d"]);
  });
});

describe("servers", () => {
  test("a list with commas, the scheme optional, each once", () => {
    expect(parseServers("ws://a:1,b:2, wss://c/ ,b:2")).toEqual([
      "ws://a:1",
      "ws://b:2",
      "wss://c",
    ]);
  });

  test.for(["", ",", "http://a:1", "ws://", "a b:1"])("'%s' is refused", (text) => {
    expect(() => parseServers(text)).toThrow();
  });

  test("the pages of a node are on the port of its WebSockets, with TLS where those have it", () => {
    expect(httpUrl("ws://a:7420", "/v1/status")).toBe("http://a:7420/v1/status");
    expect(httpUrl("wss://a", "/v1/status")).toBe("https://a/v1/status");
  });
});

describe("pairs", () => {
  test("the value is all that follows the first equals sign, and the last pair of a key counts", () => {
    expect(pair("a=b=c", { a: "x", d: "e" })).toEqual({ a: "b=c", d: "e" });
    expect(pair("a=", undefined)).toEqual({ a: "" });
  });

  test("a key called __proto__ is a key", () => {
    expect(Object.keys(pair("__proto__=x", undefined))).toEqual(["__proto__"]);
  });

  test("the environment separates them by commas", () => {
    expect(commaPairs("a=1,b=2")).toEqual({ a: "1", b: "2" });
    expect(() => commaPairs("a")).toThrow();
  });
});

/** What cannot be understood: exit code 2, one line and a hint, nothing on stdout. */
const MISUSE: readonly (readonly [args: string, message: RegExp])[] = [
  ["gett web", /unknown command 'gett'/],
  ["get", /missing required argument 'app'/],
  ["get a b", /too many arguments/],
  ["get web --bogus", /unknown option '--bogus'/],
  ["get web --timeout 5", /a time with its unit/],
  ["get web --timeout 2h", /from 1ms to 3600000ms/],
  ["get web -o yaml", /table, json or jsonl/],
  ["get web --read fresh", /linearizable or stale/],
  ["get web --meta idc", /KEY=VALUE/],
  ["get web -s http://a", /'http:\/\/a' is not ws:/],
  ["register web", /missing required argument 'addr'/],
  ["register web nohost", /'nohost' is not HOST:PORT/],
  ["register web a:0", /'a:0' is not HOST:PORT/],
  ["register web a:1 --weight 1001", /from 0 to 1000/],
  ["register web a:1 --weight 1.5", /from 0 to 1000/],
  ["register web a:1 --ttl 1s", /from 3000ms to 300000ms/],
  ["register web a:1 --exec", /--exec needs a command/],
  ["register web a:1 --persistent --exec true", /exclude each other/],
  ["deregister web nohost", /'nohost' is not HOST:PORT/],
  ["dev --nodes 0", /from 1 to 9/],
  ["dev --port 70000", /from 1 to 65535/],
];

describe("misuse", () => {
  test.for(MISUSE)("rollcall %s", async ([line, message]) => {
    const { world, out, err } = captured(line.split(" "));
    expect(await run(world)).toBe(2);
    expect(out()).toBe("");
    expect(err()).toMatch(/^rollcall: /);
    expect(err()).toMatch(message);
    expect(err().trimEnd().split("\n").length).toBeLessThanOrEqual(2);
  });

  test("a slip of the keyboard is met with the word that was meant", async () => {
    const { world, err } = captured(["regster", "web", "a:1"]);
    await run(world);
    expect(err()).toContain("hint: Did you mean register?\n");
  });

  test("with -o json it is an object, wherever the flag stands", async () => {
    for (const args of [
      ["get", "web", "--bogus", "-o", "json"],
      ["--output=json", "get", "web", "--bogus"],
    ]) {
      const { world, err } = captured(args);
      expect(await run(world)).toBe(2);
      expect(JSON.parse(err())).toEqual({
        error: {
          code: "USAGE",
          message: "unknown option '--bogus'",
          retryable: false,
          details: {},
          hint: "'rollcall get --help' shows how it is used",
        },
      });
    }
  });

  test("of a command of a group names that one", async () => {
    const { world, err } = captured(["snapshot", "inspect"]);
    expect(await run(world)).toBe(2);
    expect(err()).toContain("hint: 'rollcall snapshot inspect --help' shows how it is used\n");
  });

  test("the environment is held to the same rules, and named", async () => {
    const { world, err } = captured(["version"], { env: { ROLLCALL_TIMEOUT: "soon" } });
    expect(await run(world)).toBe(2);
    expect(err()).toContain("ROLLCALL_TIMEOUT='soon' is not valid");
  });

  test("a switch in the environment can be off", async () => {
    for (const [value, code] of [
      ["0", 0],
      ["false", 0],
      ["true", 0],
      ["maybe", 2],
    ] as const) {
      const { world } = captured(["version"], { env: { ROLLCALL_QUIET: value } });
      expect(await run(world)).toBe(code);
    }
  });
});

describe("a node's configuration", () => {
  test("what is missing has exit code 78 and names flag and variable", async () => {
    const { world, err } = captured(["start"]);
    expect(await run(world)).toBe(78);
    expect(err()).toContain("--id (ROLLCALL_ID) is required");
  });

  test("every flag of start reaches the configuration under its own name", async () => {
    const bad: readonly (readonly [string, RegExp])[] = [
      ["--listen nowhere", /--listen \(ROLLCALL_LISTEN\)/],
      ["--advertise nowhere", /--advertise \(ROLLCALL_ADVERTISE\)/],
      ["--bootstrap n1", /--bootstrap \(ROLLCALL_BOOTSTRAP\)/],
      ["--peer n1", /--peer \(ROLLCALL_PEER\)/],
      ["--log-level loud", /--log-level \(ROLLCALL_LOG_LEVEL\)/],
      ["--drain-ms soon", /--drain-ms \(ROLLCALL_DRAIN_MS\)/],
      ["--goaway-spread-ms soon", /--goaway-spread-ms \(ROLLCALL_GOAWAY_SPREAD_MS\)/],
      ["--listen 0.0.0.0:1", /hint: add --insecure/],
      ["--listen 0.0.0.0:1 --insecure", /hint: add --advertise/],
      ["--bootstrap n1=a:1 --bootstrap n1=b:1", /names n1 twice/],
    ];
    for (const [line, message] of bad) {
      const { world, err } = captured(["start", "--id", "n1", "--data", "x", ...line.split(" ")]);
      expect(await run(world)).toBe(78);
      expect(err()).toMatch(message);
    }
  });

  test("the environment counts where no flag is given", async () => {
    const env = { ROLLCALL_ID: "n1", ROLLCALL_DATA: "x", ROLLCALL_LISTEN: "0.0.0.0:1" };
    const { world, err } = captured(["start"], { env });
    expect(await run(world)).toBe(78);
    expect(err()).toContain("--listen 0.0.0.0 is reachable from other machines");
  });
});
