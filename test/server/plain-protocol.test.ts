import { describe, expect, it } from "vitest";
import type { Timer } from "../../src/env/env.ts";
import type { Instance } from "../../src/registry/instance.ts";
import type { ClientOutput, Input } from "../../src/replica/inputs.ts";
import type { ClientChannel, ClientHost } from "../../src/server/client-protocol.ts";
import { PlainProtocol } from "../../src/server/plain-protocol.ts";
import type { Part } from "../../src/wire/client-codec.ts";

const NO_TIMER: Timer = { cancel: () => {} };
const WEB = { application: "web", protocol: "http" };

type Subscribed = Extract<Input, { type: "subscribe" }>;
type Written = Extract<Input, { type: "write" }>;

/** A plain connection between a client that is typed here and a replica that is played here. */
function plainConnection() {
  const inputs: Input[] = [];
  const sent: unknown[] = [];
  const host: ClientHost = {
    nodeName: "n1",
    lineage: "c.1",
    timers: { after: () => NO_TIMER, every: () => NO_TIMER, soon: (run) => run() },
    random: { below: () => 0, bytes: (count) => new Uint8Array(count) },
    watchCountMax: 3,
    step: (input) => inputs.push(input),
    revision: () => 7,
    leaderName: () => null,
    members: () => [],
    refusalOf: () => null,
  };
  const channel: ClientChannel = {
    remote: "a client",
    waiting: 0,
    connect: () => 1,
    send: (part) => sent.push(JSON.parse(String(part))),
    ping: () => {},
    close: () => {},
  };
  const protocol = new PlainProtocol(host, channel);
  const output = (made: ClientOutput): Part | null =>
    protocol.accept(made) ? protocol.render(made) : null;
  return {
    protocol,
    sent,
    ofType: <T extends Input["type"]>(type: T) =>
      inputs.filter((input): input is Extract<Input, { type: T }> => input.type === type),
    answered: (request: number, revision: number) =>
      output({
        ...{ type: "writeReply", connection: 1, request },
        reply: { ok: true, revision } as never,
      }),
    pushed: (watch: number, ageMs: number | null, instances: readonly Instance[] = []): unknown => {
      const body = { revision: 7, instances, isReset: false, ageMs };
      const part = output({ type: "snapshot", connection: 1, watch, body });
      return part === null ? null : JSON.parse(String(part));
    },
  };
}

const numbersOf = ({ command }: Written): [number, number] => [command.seq, command.floor];

describe("the writes of a plain connection", () => {
  it("name the lowest one without an answer as their floor", () => {
    const { protocol, ofType, answered } = plainConnection();
    protocol.receive({ ...WEB, addr: "10.0.0.1:80" });
    answered(0, 1);
    protocol.receive({ ...WEB, addr: "10.0.0.2:80" });
    protocol.receive({ ...WEB, addr: "10.0.0.3:80" });
    answered(1, 2);
    protocol.receive({ ...WEB, addr: "10.0.0.4:80" });
    expect(ofType("write").map(numbersOf)).toEqual([
      [1, 1],
      [2, 1],
      [3, 1],
      [4, 2],
    ]);
  });
});

describe("a plain watch of a node that cannot tell how old its copy is", () => {
  const subscribed = (input: Subscribed): unknown[] => [
    input.watch,
    input.selector.application,
    input.allowUnknownAge,
  ];

  it("is pushed the list with a label, and once more without it when the node can tell", () => {
    const { protocol, sent, ofType, pushed } = plainConnection();
    protocol.receive({ subscribes: [{ application: "web" }, { application: "shop" }] });
    expect(sent).toEqual([{ ok: true, version: "c.1.7" }]);
    const label = { version: "c.1.7", ageUnknown: true, endpoints: [] };
    expect(pushed(1, null)).toEqual({ ...label, watch: 0 });
    expect(pushed(2, null)).toEqual({ ...label, watch: 1 });
    // A change while it is so: another list, and no third watch.
    expect(pushed(2, null)).toEqual({ ...label, watch: 1 });
    expect(ofType("subscribe").map(subscribed)).toEqual([
      [1, "web", true],
      [2, "shop", true],
      [3, "web", false],
      [4, "shop", false],
    ]);

    expect(pushed(4, 12)).toEqual({ version: "c.1.7", watch: 1, endpoints: [] });
    expect(ofType("unsubscribe").map(({ watch }) => watch)).toEqual([2]);
    // What the first had queued would say again what is no longer so.
    expect(pushed(2, null)).toBeNull();
    expect(pushed(4, 13)).toEqual({ version: "c.1.7", watch: 1, endpoints: [] });
    expect(ofType("subscribe")).toHaveLength(4);
    expect(ofType("unsubscribe")).toHaveLength(1);
  });

  it("counts once towards the watches of the connection", () => {
    const { protocol, sent, pushed } = plainConnection();
    protocol.receive({ subscribes: [{ application: "a" }, { application: "b" }] });
    pushed(1, null);
    pushed(2, null);
    protocol.receive({ subscribes: [{ application: "c" }] });
    expect(sent.at(-1)).toMatchObject({ ok: true });
    protocol.receive({ subscribes: [{ application: "d" }] });
    expect(sent.at(-1)).toMatchObject({ ok: false, error: { code: "LIMIT", limit: 3 } });
  });
});

describe("a plain watch of a node that knows how old its copy is", () => {
  it("is pushed without a label, and is one watch", () => {
    const { protocol, ofType, pushed } = plainConnection();
    protocol.receive({ subscribes: [{ application: "web" }] });
    expect(pushed(1, 0)).toEqual({ version: "c.1.7", watch: 0, endpoints: [] });
    expect(ofType("subscribe")).toHaveLength(1);
    expect(ofType("unsubscribe")).toEqual([]);
  });
});
