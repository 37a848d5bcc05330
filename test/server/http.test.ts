import { once } from "node:events";
import { request } from "node:http";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { HTTP_PAGES_WAITING_MAX, LOG_READS_WAITING_MAX } from "../../src/limits.ts";
import { BareClient, Cluster } from "./world.ts";

describe("HTTP on the clients' port", () => {
  let cluster: Cluster;
  let provider: BareClient;

  beforeAll(async () => {
    cluster = await Cluster.started(3);
    provider = await BareClient.open(cluster.address("n1"));
    for (const [addr, meta] of [
      ["127.0.0.1:1", { idc: "a" }],
      ["127.0.0.1:2", { idc: "b" }],
    ] as const) {
      provider.send({ application: "shop", protocol: "http", addr, meta });
      await provider.next();
    }
  }, 20_000);

  afterAll(() => cluster.close());

  /** What a test reads of any page; which of it is there the test says. */
  interface Page {
    readonly items: readonly { readonly addr: string }[];
    readonly members: readonly { readonly address: string }[];
    readonly error: { readonly code: string };
    readonly ageMs: number;
    readonly total: number;
  }
  const pageOf = async (response: Response) => (await response.json()) as Page;
  const get = (name: string, path: string) => fetch(`http://${cluster.address(name)}${path}`);
  const addrs = (body: Page) => body.items.map((item) => item.addr);

  it("says that it lives and is ready, check by check where asked", async () => {
    expect((await get("n1", "/livez")).status).toBe(200);
    const short = await get("n2", "/readyz");
    expect([short.status, await short.text()]).toEqual([200, "ok\n"]);
    const verbose = await (await get("n2", "/readyz?verbose")).text();
    expect(verbose).toContain("[+]leader ok");
    expect(verbose).toContain("[+]caught-up ok");
  });

  it("names its version and protocol", async () => {
    expect(await pageOf(await get("n1", "/version"))).toMatchObject({
      name: "rollcall",
      protocol: 1,
      version: expect.stringMatching(/^\d+\.\d+\.\d+/),
    });
  });

  it("lists instances, linearizably on another node than the one that took them", async () => {
    const response = await get("n3", "/v1/instances?application=shop");
    expect(response.headers.get("content-type")).toBe("application/json; charset=utf-8");
    const body = await pageOf(response);
    expect(body).toMatchObject({
      apiVersion: "v1",
      kind: "InstanceList",
      revision: expect.any(Number),
      lineage: expect.stringMatching(/^[0-9a-f]{32}\.1$/),
    });
    expect(addrs(body)).toEqual(["127.0.0.1:1", "127.0.0.1:2"]);
  });

  it("selects by meta and protocol, and answers an unknown application with an empty list", async () => {
    const some = await pageOf(await get("n1", "/v1/instances?application=shop&meta.idc=b"));
    expect(addrs(some)).toEqual(["127.0.0.1:2"]);
    const none = await pageOf(await get("n1", "/v1/instances?application=shop&protocol=grpc"));
    expect(none.items).toEqual([]);
    expect((await pageOf(await get("n1", "/v1/instances?application=nobody"))).items).toEqual([]);
  });

  it("labels a stale list with its age", async () => {
    const body = await pageOf(await get("n2", "/v1/instances?application=shop&read=stale"));
    expect(body.ageMs).toBeGreaterThanOrEqual(0);
  });

  it.each([
    ["/v1/instances", "application"],
    ["/v1/instances?application=", "application"],
    ["/v1/instances?application=a&read=lease", "read"],
    ["/v1/instances?application=a&colour=red", "colour"],
    ["/v1/instances?application=a&application=b", "application"],
    ["/v1/instances?application=a&meta.idc=x&meta.idc=y", "meta.idc"],
    [`/v1/instances?application=a&namespace=${"n".repeat(129)}`, "namespace"],
  ])("refuses %s with 400 and the name of the field", async (path, field) => {
    const response = await get("n1", path);
    expect(response.status).toBe(400);
    const { error } = await pageOf(response);
    expect(error).toMatchObject({ field, message: expect.not.stringContaining("selector") });
  });

  it("answers what it does not know with 404, and other methods with 405, as JSON", async () => {
    const unknown = await get("n1", "/v2/anything");
    expect(unknown.status).toBe(404);
    expect((await pageOf(unknown)).error.code).toBe("NOT_FOUND");
    const posted = await fetch(`http://${cluster.address("n1")}/v1/status`, { method: "POST" });
    expect([posted.status, posted.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
  });

  it("shows members, lag and digest in the status", async () => {
    const leader = cluster.leader();
    await cluster.until(
      () =>
        cluster.nodes
          .get(leader)
          ?.status()
          ?.members.every((member) => member.lag === 0) === true,
    );
    const status = await pageOf(await get(leader, "/v1/status"));
    expect(status).toMatchObject({ kind: "NodeStatus", name: leader, role: "leader", leader });
    expect(status.members.map((member) => member.address)).toEqual(
      cluster.names.map((name) => cluster.address(name)),
    );
    await cluster.until(() => {
      const digests = [...cluster.nodes.values()].map((node) => node.status()?.digest);
      return new Set(digests).size === 1;
    });
  });

  it("lists sessions without their secrets", async () => {
    const body = await pageOf(await get("n3", "/v1/sessions"));
    expect(body.total).toBe(1);
    expect(body.items[0]).toMatchObject({ owned: 2, ttlMs: 10_000, graceMs: 2_000 });
    expect(JSON.stringify(body)).not.toContain("ecret");
  });

  it("exposes metrics under rollcall_ names only", async () => {
    const response = await get(cluster.leader(), "/metrics");
    expect(response.headers.get("content-type")).toContain("text/plain; version=0.0.4");
    const text = await response.text();
    const names = [...text.matchAll(/^([a-z_]+)[ {]/gm)].map((match) => match[1]);
    expect(names.filter((name) => !name?.startsWith("rollcall_"))).toEqual([]);
    for (const name of [
      "rollcall_raft_term",
      'rollcall_raft_role{role="leader"} 1',
      "rollcall_raft_commit_index",
      "rollcall_raft_applied_index",
      "rollcall_raft_fsync_seconds_count",
      "rollcall_apply_seconds_count",
      "rollcall_push_seconds_count",
      "rollcall_sessions 1",
      "rollcall_instances 2",
      "rollcall_watches",
      "rollcall_ws_connections",
      "rollcall_ws_frames_total",
      "rollcall_nodejs_eventloop_lag",
      'rollcall_peer_link_up{peer="n',
    ]) {
      expect(text).toContain(name);
    }
  });
});

describe("HTTP asked for more pages at once than a node makes", () => {
  const PIPELINED = 32;
  const CONNECTIONS = 6;
  let cluster: Cluster;

  beforeAll(async () => {
    cluster = await Cluster.started(1);
  });

  afterAll(() => cluster.close());

  /** All at once: how many answers have a status, and the text of all of them. */
  async function askedAtOnce(path: string) {
    const [host, port] = cluster.address("n1").split(":");
    const one = `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
    const sockets = Array.from({ length: CONNECTIONS }, () => connect(Number(port), host));
    await Promise.all(sockets.map((socket) => once(socket, "connect")));
    const answers = sockets.map(async (socket) => {
      let said = "";
      let found: string[] = [];
      socket.setEncoding("latin1");
      socket.write(one.repeat(PIPELINED));
      for await (const text of socket) {
        said += text;
        found = [...said.matchAll(/HTTP\/1.1 (\d+) /g)].map(([, code = ""]) => code);
        if (found.length === PIPELINED) {
          break;
        }
      }
      return { found, said };
    });
    const all = await Promise.all(answers);
    const codes = all.flatMap(({ found }) => found);
    return {
      count: (code: string) => codes.filter((found) => found === code).length,
      text: all.map(({ said }) => said).join(),
    };
  }

  it.each(["/metrics", "/v1/status", "/v1/sessions", "/v1/instances?application=a&read=stale"])(
    "%s: makes some, refuses the others, and answers all",
    async (path) => {
      const { count } = await askedAtOnce(path);
      expect(count("200") + count("503")).toBe(PIPELINED * CONNECTIONS);
      expect(count("200")).toBeGreaterThanOrEqual(HTTP_PAGES_WAITING_MAX);
      expect(count("503")).toBeGreaterThan(0);
    },
  );

  it("/v1/log: reads one after the other for a few, refuses the others, and answers all", async () => {
    const { lineage } = cluster.nodes.get("n1")?.status() ?? {};
    const path = `/v1/log?lineage=${lineage}&to=1`;
    const { count, text } = await askedAtOnce(path);
    expect(count("200") + count("503")).toBe(PIPELINED * CONNECTIONS);
    expect(count("200")).toBeGreaterThan(LOG_READS_WAITING_MAX);
    expect(count("503")).toBeGreaterThan(0);
    expect(text).toContain(`"limit":${LOG_READS_WAITING_MAX}`);
    const response = await fetch(`http://${cluster.address("n1")}${path}`);
    expect(await response.json()).toMatchObject({ kind: "LogPart", items: [expect.any(String)] });
    const metrics = await (await fetch(`http://${cluster.address("n1")}/metrics`)).text();
    expect(metrics).toMatch(/rollcall_http_requests_total{route="\/v1\/log",code="503"} [1-9]/);
  });
});

describe("HTTP asked by web pages", () => {
  const CONSOLE = "https://console.example";
  const PAGES = ["/livez", "/readyz", "/version", "/metrics", "/v1/instances?application=a"];
  let cluster: Cluster;

  beforeAll(async () => {
    cluster = await Cluster.make(1);
    const node = await cluster.start("n1", { allowOrigin: CONSOLE });
    await node.serving;
    await cluster.until(() => cluster.isReady("n1"));
  });

  afterAll(() => cluster.close());

  /** `fetch` does not let its caller choose these headers, as a browser does not. */
  async function get(path: string, headers: Record<string, string>) {
    return new Promise<{ status: number; origin: string | undefined; body: string }>(
      (resolve, reject) => {
        const asked = request(`http://${cluster.address("n1")}${path}`, { headers }, (response) => {
          let body = "";
          response.setEncoding("utf8");
          response.on("data", (text: string) => {
            body += text;
          });
          response.on("end", () => {
            const origin = response.headers["access-control-allow-origin"];
            resolve({ status: response.statusCode ?? 0, origin, body });
          });
        });
        asked.once("error", reject);
        asked.end();
      },
    );
  }

  it.each(PAGES)("refuses %s under a name that is not its own (DNS rebinding)", async (path) => {
    const { status, body } = await get(path, { Host: "evil.example:7420" });
    expect(status).toBe(403);
    expect(JSON.parse(body)).toMatchObject({ error: { code: "DENIED" } });
  });

  it.each(PAGES)("refuses %s to a page of another origin", async (path) => {
    const { status, origin, body } = await get(path, { Origin: "https://evil.example" });
    expect([status, origin]).toEqual([403, undefined]);
    expect(body).toContain("--allow-origin");
  });

  it.each(PAGES)("lets a page of an allowed origin read %s", async (path) => {
    expect(await get(path, { Origin: CONSOLE })).toMatchObject({ status: 200, origin: CONSOLE });
  });

  it("answers who is no browser as ever", async () => {
    const { status, origin } = await get("/readyz", { Host: "localhost:7420" });
    expect([status, origin]).toEqual([200, undefined]);
  });
});
