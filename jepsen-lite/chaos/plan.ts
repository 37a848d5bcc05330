import { clientFreeze, clientKill } from "../nemeses/clients.ts";
import { churn, halfOpen, lateBytes, refusing, silentPeer } from "../nemeses/connections.ts";
import { bounce, crashLoop, oldLeader } from "../nemeses/crashes.ts";
import { descriptors } from "../nemeses/descriptors.ts";
import { diskError } from "../nemeses/disk-error.ts";
import { diskFull } from "../nemeses/disk-full.ts";
import { frozen } from "../nemeses/frozen.ts";
import { flapping, oneSidedHeal } from "../nemeses/healing.ts";
import { herd } from "../nemeses/herd.ts";
import { kill } from "../nemeses/kill.ts";
import { rolling, transfer } from "../nemeses/leadership.ts";
import { members } from "../nemeses/members.ts";
import type { Ground, Nemesis } from "../nemeses/nemesis.ts";
import { corrupt, slow, storm, unheard } from "../nemeses/network.ts";
import { packetLoss } from "../nemeses/packet-loss.ts";
import { partition } from "../nemeses/partition.ts";
import { pause, stutter } from "../nemeses/pause.ts";
import { power } from "../nemeses/power.ts";
import { readOnly } from "../nemeses/read-only.ts";
import { rot } from "../nemeses/rot.ts";
import { slowDisk } from "../nemeses/slow-disk.ts";
import { snapshots } from "../nemeses/snapshots.ts";
import { stall } from "../nemeses/stall.ts";
import { wallJump, wallStrobe } from "../nemeses/wall-clocks.ts";
import { watcherStall } from "../nemeses/watcher-stall.ts";
import type { Prng } from "../prng.ts";

export const NEMESES: readonly Nemesis[] = [
  ...[kill, pause, stutter, rolling, transfer],
  ...[partition, slow, storm, corrupt, unheard],
  ...[clientKill, clientFreeze, watcherStall, herd],
  ...[crashLoop, bounce, oldLeader, stall],
  ...[flapping, oneSidedHeal, silentPeer, packetLoss],
  ...[churn, halfOpen, lateBytes, refusing],
  ...[members, snapshots],
  ...[power, frozen, slowDisk, diskFull, diskError, readOnly, rot, descriptors],
  ...[wallJump, wallStrobe],
];

/** Per mille of the windows in which nothing is disturbed. */
const QUIET_CHANCE = 250;
const TOGETHER_MAX = 2;
const WINDOW_MS = [2_000, 6_000] as const;

/** A stretch of time in which some nemeses are at work. */
export interface Window {
  readonly lengthMs: number;
  readonly strikes: readonly Strike[];
}

export interface Strike {
  readonly nemesis: Nemesis;
  /** Into the window; and how long it is let. */
  readonly atMs: number;
  readonly forMs: number;
}

/** Out of which each comes once before any of them comes again. */
export class Bag {
  readonly #all: readonly Nemesis[];
  #left: Nemesis[] = [];

  constructor(all: readonly Nemesis[]) {
    this.#all = all;
  }

  /** The next that does not collide with one of these; null where none is left of that kind. */
  take(prng: Prng, beside: readonly Nemesis[]): Nemesis | null {
    if (this.#left.length === 0) this.#left = prng.shuffled(this.#all);
    const taken = this.#left.find((nemesis) => !beside.some((other) => collide(nemesis, other)));
    this.#left = this.#left.filter((nemesis) => nemesis !== taken);
    return taken ?? null;
  }
}

export function drawWindow(bag: Bag, prng: Prng): Window {
  const lengthMs = prng.between(...WINDOW_MS);
  if (prng.chance(QUIET_CHANCE)) return { lengthMs, strikes: [] };
  const chosen: Nemesis[] = [];
  const count = prng.between(1, TOGETHER_MAX);
  for (let at = 0; at < count; at += 1) {
    const nemesis = bag.take(prng, chosen);
    if (nemesis !== null) chosen.push(nemesis);
  }
  const strikes = chosen.map((nemesis): Strike => {
    const atMs = prng.below(lengthMs >> 1);
    return { nemesis, atMs, forMs: prng.between(200, lengthMs - atMs) };
  });
  return { lengthMs, strikes: strikes.sort((one, other) => one.atMs - other.atMs) };
}

/** Whether the one would undo what the other does. */
function collide(one: Nemesis, other: Nemesis): boolean {
  return groundsOf(one).some((ground) => groundsOf(other).includes(ground));
}

function groundsOf({ on, alsoOn = [] }: Nemesis): readonly Ground[] {
  return [on, ...alsoOn];
}
