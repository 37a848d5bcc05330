import { describe, expect, it } from "vitest";
import { parseNodeConfig } from "../../src/server/config.ts";
import { WebAccess } from "../../src/server/web-access.ts";

const access = (flags: object) =>
  new WebAccess(parseNodeConfig({ id: "n1", dataDir: "/data", ...flags }));

describe("Host, on a node that listens on loopback", () => {
  const node = access({
    ...{ listen: "127.0.0.1:7420", advertise: "Registry.example:7420" },
    bootstrap: "n1=n1.internal:7420,n2=n2.internal:7420",
  });

  it.each([
    null,
    "127.0.0.1:7420",
    "127.0.0.1",
    "127.0.0.2:80",
    "[::1]:7420",
    "10.0.0.1:7420",
    "localhost:7420",
    "LOCALHOST",
    "localhost.:7420",
    "n1.localhost:7420",
    "registry.example:7420",
    "n1.internal",
  ])("may be %s", (host) => {
    expect(node.hostRefusal(host)).toBeNull();
  });

  it.each([
    "evil.example:7420",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "evillocalhost",
    "n2.internal:7420",
    "user@localhost",
    "localhost/x",
    "evil.example#localhost",
    "[::1",
    "",
    ":7420",
  ])("may not be %j, and the refusal says what to do", (host) => {
    expect(node.hostRefusal(host)).toMatch(/take its address, or name it with --advertise/);
  });
});

it("Host may be anything on a node that listens beyond loopback", () => {
  const flags = { listen: "0.0.0.0:7420", insecure: true, advertise: "10.0.0.1:7420" };
  expect(access(flags).hostRefusal("rollcall.default.svc.cluster.local")).toBeNull();
});

describe("Origin", () => {
  const node = access({ allowOrigin: "https://console.example,chrome-extension://abc" });

  it.each([null, "https://console.example", "chrome-extension://abc"])("may be %s", (origin) => {
    expect(node.originRefusal(origin)).toBeNull();
  });

  it.each([
    "https://evil.example",
    "http://console.example",
    "https://console.example:8443",
    "null",
    "http://127.0.0.1:7420",
  ])("may not be %s, which --allow-origin does not name", (origin) => {
    expect(node.originRefusal(origin)).toBe(`origin ${origin} is not allowed (--allow-origin)`);
  });

  it.each(["*", "null", "console.example", "https://console.example/", "https://Console.example"])(
    "%s is none to allow, since no browser sends it or many pages do",
    (allowOrigin) => {
      expect(() => access({ allowOrigin })).toThrow(
        expect.objectContaining({ exitCode: 78, message: expect.stringMatching(/--allow-origin/) }),
      );
    },
  );
});
