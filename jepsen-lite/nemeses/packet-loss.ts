import { losePackets } from "../faults/packets.ts";
import { cutsOf, SHAPES } from "./cuts.ts";
import { type Nemesis, seen } from "./nemesis.ts";

/**
 * A partition by the kernel. *Guards against:* an edge takes what a node sends, and acknowledges it,
 * before it loses it; here the sender's own kernel sends again and again, and its buffers fill.
 */
export const packetLoss: Nemesis = {
  name: "packet-loss",
  doc: "A partition by the kernel, which loses packets, and tells nobody.",
  on: "network",
  needs: ["nftables"],
  strike: async (world, prng) => {
    const shape = prng.pick(SHAPES);
    const { ways } = await cutsOf(shape, world, prng);
    if (ways.length === 0) return null;
    const host = (from: string, to: string): string => {
      const [address = ""] = world.edges.address(from, to).split(":");
      return address;
    };
    const pass = await losePackets({
      from: ways.map(([from, to]) => host(to, from)),
      to: ways.map(([from, to]) => host(from, to)),
    });
    return {
      what: `${shape}: ${ways.map(([from, to]) => `${from}>${to}`).join(" ")}`,
      end: async () => seen(await pass(), "packets lost"),
    };
  },
};
