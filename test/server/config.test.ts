import { describe, expect, it } from "vitest";
import { parseNodeConfig } from "../../src/server/config.ts";

const VALID = { id: "n1", dataDir: "/data" };
const LISTENING = { ...VALID, listen: "127.0.0.1:1" };

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

  it("takes where to join, and whether to stay a learner, from the environment too", () => {
    const env = { ROLLCALL_JOIN: "h1:1, h2:2", ROLLCALL_LEARNER: "1" };
    const config = { join: ["h1:1", "h2:2"], learner: true, bootstrap: [] };
    expect(parseNodeConfig(LISTENING, env)).toMatchObject(config);
    expect(parseNodeConfig(LISTENING)).toMatchObject({ join: [], learner: false });
  });

  it("takes sizes in bytes and in binary units", () => {
    const env = { ROLLCALL_DISK_LOW: "2GiB", ROLLCALL_DISK_FULL: "1048576" };
    expect(parseNodeConfig({ ...VALID, diskReserveBytes: "64 MiB" }, env)).toMatchObject({
      diskLowBytes: 2 ** 31,
      diskFullBytes: 2 ** 20,
      diskReserveBytes: 2 ** 26,
    });
    expect(parseNodeConfig(VALID)).toMatchObject({
      diskLowBytes: null,
      diskFullBytes: null,
      diskReserveBytes: null,
    });
  });

  it("reads lists with commas and repeated flags alike", () => {
    const members = [
      { name: "n1", address: "h1:1" },
      { name: "n2", address: "h2:2" },
    ];
    const { bootstrap } = parseNodeConfig({ ...LISTENING, bootstrap: "n1=h1:1,n2=h2:2" });
    expect(bootstrap).toEqual(members);
    const flags = { ...LISTENING, bootstrap: ["n1=h1:1", "n2=h2:2"], peers: ["n2=proxy:3"] };
    expect(parseNodeConfig(flags)).toMatchObject({
      bootstrap: members,
      peers: [{ name: "n2", address: "proxy:3" }],
    });
  });

  it.each<[string, Record<string, unknown>, RegExp]>([
    ["no id", { dataDir: "/data" }, /--id \(ROLLCALL_ID\) is required/],
    ["no directory", { id: "n1" }, /--data \(ROLLCALL_DATA\) is required/],
    ["a name with a blank", { ...VALID, id: "n 1" }, /--id/],
    [
      "a size without a number",
      { ...VALID, diskLowBytes: "much" },
      /--disk-low .*512MiB, 2GiB or 0/,
    ],
    ["a size in decimal units", { ...VALID, diskReserveBytes: "5GB" }, /--disk-reserve/],
    [
      "a disk that is full before it is low",
      { ...VALID, diskLowBytes: "1MiB", diskFullBytes: "2MiB" },
      /--disk-full 2097152 is more than --disk-low 1048576/,
    ],
    ["a port that is none", { ...VALID, listen: "127.0.0.1:99999" }, /--listen/],
    ["a member without address", { ...VALID, bootstrap: "n1" }, /--bootstrap.*NAME=HOST:PORT/],
    ["two members with one address", { ...VALID, bootstrap: "n1=h:1,n2=H:1" }, /one address, H:1/],
    [
      "two members with one address, written differently",
      { ...VALID, bootstrap: "n1=[::1]:1,n2=[0:0:0:0:0:0:0:1]:1" },
      /--bootstrap gives n1 and n2 one address/,
    ],
    ["a member at no port", { ...VALID, bootstrap: "n1=h:0" }, /--bootstrap.*NAME=HOST:PORT/],
    ["an address that peers refuse", { ...VALID, advertise: "a$b:1" }, /--advertise.*HOST:PORT/],
    [
      "an interface that cannot be told",
      { ...VALID, listen: "[fe80::1%1]:1", insecure: true },
      /no address that others can go to/,
    ],
    ["a list without itself", { ...VALID, bootstrap: "n2=h:1" }, /does not name this member, n1/],
    ["a name twice", { ...VALID, bootstrap: "n1=h:1,n1=h:2" }, /names n1 twice/],
    ["another machine's interface", { ...VALID, listen: "10.0.0.1:1" }, /reachable from other/],
    ["a level that is none", { ...VALID, logLevel: "loud" }, /--log-level/],
    [
      "every interface without an address to go to",
      { ...VALID, listen: "0.0.0.0:1", insecure: true },
      /no address that others can go to/,
    ],
    ["to join and to begin", { ...LISTENING, join: "h:1", bootstrap: "n1=h:2" }, /exclude/],
    ["to join itself", { ...LISTENING, join: "127.0.0.1:1" }, /address of this node, n1/],
    ["to join at no port", { ...LISTENING, join: "h" }, /--join.*HOST:PORT/],
    ["a learner that joins nobody", { ...LISTENING, learner: true }, /--learner is for/],
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

describe("this member's own entry in --bootstrap", () => {
  const parse = (address: string, listen: string, advertise?: string) => () =>
    parseNodeConfig({
      ...{ ...VALID, listen, advertise, insecure: true },
      bootstrap: `n1=${address},n2=10.0.0.2:7420`,
    });

  it.each<[string, string, string, string?]>([
    ["is where it listens", "127.0.0.1:7420", "127.0.0.1:7420"],
    ["is the same address, written differently", "[0:0::1]:7420", "[::1]:7420"],
    ["is a name, which may mean any address", "localhost:7420", "127.0.0.1:7420"],
    ["is an address, and it listens by name", "10.0.0.1:7420", "n1.internal:7420"],
    ["is what it advertises", "10.0.0.1:7420", "0.0.0.0:7420", "10.0.0.1:7420"],
    ["is what it advertises, on a port of its own", "10.0.0.1:80", "0.0.0.0:7420", "10.0.0.1:80"],
    ["is a name for what it advertises", "n1.internal:7420", "0.0.0.0:7420", "10.0.0.1:7420"],
    ["is another name than it advertises", "n1:7420", "0.0.0.0:7420", "n1.internal:7420"],
    ["is for peers alone", "n1:7420", "0.0.0.0:7420", "registry.example:17420"],
    ["is for peers alone, by address", "172.18.0.2:7420", "172.18.0.2:7420", "10.0.0.1:17420"],
    ["cannot be known, as any free port is taken", "127.0.0.1:7420", "127.0.0.1:0"],
  ])("may stand where it %s: %s", (_, address, listen, advertise) => {
    expect(parse(address, listen, advertise)).not.toThrow();
  });

  it.each<{ is: string; own: string; listen: string; advertise?: string; message: RegExp }>([
    {
      ...{ is: "another port", own: "127.0.0.1:7421", listen: "127.0.0.1:7420" },
      message: /says that n1 is at 127.0.0.1:7421, but --listen is 127.0.0.1:7420/,
    },
    {
      ...{ is: "another port by name", own: "localhost:7421", listen: "127.0.0.1:7420" },
      message: /but --listen is 127.0.0.1:7420/,
    },
    {
      ...{ is: "another address", own: "127.0.0.2:7420", listen: "127.0.0.1:7420" },
      message: /but --listen is 127.0.0.1:7420/,
    },
    {
      ...{ is: "another address than the advertised one", own: "10.0.0.1:7420" },
      ...{ listen: "0.0.0.0:7420", advertise: "10.0.0.3:7420" },
      message: /is at 10.0.0.1:7420, but --advertise is 10.0.0.3:7420/,
    },
    {
      ...{ is: "neither port", own: "n1.internal:1" },
      ...{ listen: "0.0.0.0:7420", advertise: "n1.internal:7421" },
      message: /is at n1.internal:1, but --advertise is n1.internal:7421/,
    },
    {
      ...{ is: "itself, while another member is advertised", own: "n1.internal:7420" },
      ...{ listen: "0.0.0.0:7420", advertise: "10.0.0.2:7420" },
      message: /--advertise 10.0.0.2:7420 is the address of n2 in --bootstrap/,
    },
    {
      ...{ is: "itself, where another member listens", own: "n1.internal:7420" },
      listen: "10.0.0.2:7420",
      message: /--listen 10.0.0.2:7420 is the address of n2 in --bootstrap, and this member is n1/,
    },
  ])("is refused with exit code 78 where it names $is", ({ own, listen, advertise, message }) => {
    expect(parse(own, listen, advertise)).toThrow(
      expect.objectContaining({
        exitCode: 78,
        message: expect.stringMatching(message),
        hint: expect.stringContaining("correct"),
      }),
    );
  });
});
