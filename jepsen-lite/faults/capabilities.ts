import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { missingForEpochs, missingForWallClock } from "./clocks.ts";
import { missingCommand } from "./command.ts";
import { isInOwnNamespaces, missingForNamespaces } from "./own-namespaces.ts";
import { missingForPowerCuts } from "./power-cut.ts";
import { missingForKills } from "./strace.ts";
import { missingForStrace } from "./tampering.ts";

/** What faults of real processes need of the machine. */
export type Capability = keyof typeof PROBES;

interface Probe {
  /** In words. */
  readonly what: string;
  /** Asked only where these are there. */
  readonly needs: readonly string[];
  /** Null where it is there; otherwise what was said instead. */
  readonly missing: () => Promise<string | null>;
  /** How a Debian gets it. */
  readonly remedy: string;
}

const INSTALL = "apt-get install";

const PROBES = {
  linux: {
    ...{ what: "Linux", needs: [], remedy: "run it on Linux" },
    missing: async () => (process.platform === "linux" ? null : process.platform),
  },
  root: {
    ...{ what: "root", needs: ["linux"], remedy: "run it as root" },
    missing: async () => (process.getuid?.() === 0 ? null : `user ${process.getuid?.()}`),
  },
  namespaces: {
    ...{ what: "mount and process namespaces", needs: ["root"] },
    remedy: `${INSTALL} util-linux; in a container: --privileged`,
    missing: async () => (isInOwnNamespaces() ? null : await missingForNamespaces()),
  },
  disks: {
    ...{ what: "ext4 in loop devices, whose power can be cut", needs: ["namespaces"] },
    remedy: `${INSTALL} e2fsprogs mount perl-base`,
    missing: missingForPowerCuts,
  },
  freezing: {
    ...{ what: "file systems that freeze", needs: ["disks"], remedy: `${INSTALL} util-linux` },
    missing: () => missingCommand("fsfreeze", "--version"),
  },
  strace: {
    ...{ what: "system calls that fail or are late", needs: ["linux"] },
    remedy: `${INSTALL} strace; in a container: --cap-add SYS_PTRACE`,
    missing: missingForStrace,
  },
  kills: {
    ...{ what: "kills at a system call", needs: ["linux"], remedy: `${INSTALL} strace` },
    missing: missingForKills,
  },
  limits: {
    ...{ what: "limits of a process that runs", needs: ["linux"] },
    remedy: `${INSTALL} util-linux`,
    missing: () => missingCommand("prlimit", "--pid", String(process.pid), "--nofile"),
  },
  clocks: {
    ...{ what: "wall clocks that jump", needs: ["namespaces"], remedy: `${INSTALL} faketime` },
    missing: () => inTemporary((directory) => missingForWallClock(join(directory, "clock"))),
  },
  epochs: {
    ...{ what: "monotonic clocks of other epochs", needs: ["root"] },
    remedy: `${INSTALL} util-linux; Linux 5.6`,
    missing: missingForEpochs,
  },
  nftables: {
    ...{ what: "networks of its own, with packets that are lost", needs: ["namespaces"] },
    remedy: `${INSTALL} iproute2 nftables`,
    missing: async () => {
      const up = await inNetwork("ip", "link", "set", "lo", "up");
      return up ?? (await inNetwork("nft", "add", "table", "inet", "rollcall"));
    },
  },
} as const satisfies Readonly<Record<string, Probe>>;

export const CAPABILITIES = Object.keys(PROBES) as readonly Capability[];

/** What is there; where one is not, in a few words what is missing and how to get it. */
export type Capabilities = ReadonlyMap<Capability, string | null>;

/** Of all, or of these and of what they need, in the order of the table. */
export async function probed(asked: readonly Capability[] = CAPABILITIES): Promise<Capabilities> {
  const found = new Map<Capability, string | null>();
  const wanted = withNeeds(asked);
  for (const name of CAPABILITIES.filter((capability) => wanted.has(capability))) {
    found.set(name, await missingOf(name, found));
  }
  return found;
}

/** Null where all of these are there; otherwise the first that is not. */
export async function missing(...asked: readonly Capability[]): Promise<string | null> {
  for (const reason of (await probed(asked)).values()) if (reason !== null) return reason;
  return null;
}

/** A line for each. */
export function linesOf(found: Capabilities): string[] {
  return [...found].map(([name, reason]) => {
    return reason === null ? `there: ${PROBES[name].what}` : `missing: ${reason}`;
  });
}

async function missingOf(name: Capability, found: Capabilities): Promise<string | null> {
  const { what, missing: ask, remedy }: Probe = PROBES[name];
  const wanted = withNeeds([name]);
  // The first of them that is missing is why the others are.
  const absent = [...found].find(([need, reason]) => wanted.has(need) && reason !== null);
  if (absent !== undefined) return `${what}, for want of ${absent[1]}`;
  const reason = await ask();
  return reason === null ? null : `${what} (${reason}; ${remedy})`;
}

function withNeeds(asked: readonly Capability[]): ReadonlySet<Capability> {
  const all = asked.flatMap((name): Capability[] => {
    const { needs }: Probe = PROBES[name];
    return [name, ...withNeeds(needs as readonly Capability[])];
  });
  return new Set(all);
}

/** In a network of its own, which is gone with it. */
function inNetwork(...argv: readonly string[]): Promise<string | null> {
  return missingCommand("unshare", "--net", ...argv);
}

async function inTemporary<T>(use: (directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), "rollcall-probe-"));
  try {
    return await use(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
