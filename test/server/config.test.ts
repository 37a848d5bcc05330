import { describe, expect, it } from "vitest";
import { parseNodeConfig } from "../../src/server/config.ts";

const VALID = { id: "n1", dataDir: "/data" };

describe("parseNodeConfig", () => {
  it("takes a flag over the environment over the default", () => {
    expect(parseNodeConfig(VALID).listen).toEqual({ host: "127.0.0.1", port: 7420 });
    const env = { ROLLCALL_LISTEN: "127.0.0.1:1", ROLLCALL_INSECURE: "true", ROLLCALL_ID: "n9" };
    expect(parseNodeConfig(VALID, env)).toMatchObject({
      id: "n1",
      listen: { host: "127.0.0.1", port: 1 },
      insecure: true,
    });
    expect(parseNodeConfig({ ...VALID, listen: "[::1]:2" }, env).listen).toEqual({
      host: "::1",
      port: 2,
    });
  });

  it("reads lists with commas and repeated flags alike", () => {
    const members = [
      { name: "n1", address: "h1:1" },
      { name: "n2", address: "h2:2" },
    ];
    expect(parseNodeConfig({ ...VALID, bootstrap: "n1=h1:1,n2=h2:2" }).bootstrap).toEqual(members);
    const flags = { ...VALID, bootstrap: ["n1=h1:1", "n2=h2:2"], peers: ["n2=proxy:3"] };
    expect(parseNodeConfig(flags)).toMatchObject({
      bootstrap: members,
      peers: [{ name: "n2", address: "proxy:3" }],
    });
  });

  it.each<[string, Record<string, unknown>, RegExp]>([
    ["no id", { dataDir: "/data" }, /--id \(ROLLCALL_ID\) is required/],
    ["no directory", { id: "n1" }, /--data \(ROLLCALL_DATA\) is required/],
    ["a name with a blank", { ...VALID, id: "n 1" }, /--id/],
    ["a port that is none", { ...VALID, listen: "127.0.0.1:99999" }, /--listen/],
    ["a member without address", { ...VALID, bootstrap: "n1" }, /--bootstrap.*NAME=HOST:PORT/],
    ["a list without itself", { ...VALID, bootstrap: "n2=h:1" }, /does not name this member, n1/],
    ["a name twice", { ...VALID, bootstrap: "n1=h:1,n1=h:2" }, /names n1 twice/],
    ["another machine's interface", { ...VALID, listen: "10.0.0.1:1" }, /reachable from other/],
    ["a level that is none", { ...VALID, logLevel: "loud" }, /--log-level/],
    [
      "every interface without an address to go to",
      { ...VALID, listen: "0.0.0.0:1", insecure: true },
      /no address that others can go to/,
    ],
    ["an unknown option", { ...VALID, colour: "red" }, /colour/],
  ])("refuses %s with exit code 78", (_, flags, message) => {
    expect(() => parseNodeConfig(flags)).toThrow(
      expect.objectContaining({ exitCode: 78, message: expect.stringMatching(message) }),
    );
  });

  it("listens beyond loopback when it is told that this is insecure", () => {
    const flags = { ...VALID, listen: "0.0.0.0:1", insecure: true, advertise: "h:1" };
    expect(parseNodeConfig(flags).advertise).toBe("h:1");
  });
});
