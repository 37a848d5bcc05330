import { type Nemesis, seen } from "./nemesis.ts";

/** A provider stands still, for longer than its session may live, or not; and goes on. */
export const clientFreeze: Nemesis = {
  name: "client-freeze",
  doc: "A provider stands still, for less or more than its session may live.",
  on: "clients",
  strike: async ({ population: { providers } }, prng) => {
    const provider = prng.pick(providers);
    const isClosing = prng.chance(500);
    const sessions = provider.isConfirmed ? 1 : 0;
    provider.freeze(isClosing);
    const how = isClosing ? ", its connection closed" : "";
    return {
      what: `${provider.name} stands still${how}`,
      end: async () => {
        provider.thaw();
        return seen(sessions, "sessions left alone");
      },
    };
  },
};

/** A provider is killed, and another process takes its place. */
export const clientKill: Nemesis = {
  name: "client-kill",
  doc: "A provider dies, and another process takes its place.",
  on: "clients",
  strike: async ({ population: { providers } }, prng) => {
    const provider = prng.pick(providers);
    const sessions = provider.isConfirmed ? 1 : 0;
    provider.kill();
    return {
      what: `${provider.name} killed`,
      end: async () => {
        provider.revive();
        return seen(sessions, "sessions left for good");
      },
    };
  },
};
