import { DISK_ROOM_BYTES_LOW } from "../limits.ts";
import type { StatusPage } from "../server/status.ts";
import { bytesText } from "./bytes.ts";
import { broken, type Finding, warning } from "./verdict.ts";

const MAKE_ROOM = "make room there: all of it ends by itself then, without a restart";

/** What the registry does not take now; null where it takes everything, or does not say. */
export function refusedText(intake: StatusPage["intake"] | undefined): string | null {
  switch (intake) {
    case "removals":
      return "the registry takes no registrations";
    case "nothing":
      return "the registry takes no writes";
    default:
      return null;
  }
}

/** By the word of the leader, which decides it. */
export function refusals(statuses: readonly StatusPage[]): readonly Finding[] {
  const leading = statuses.find(({ role }) => role === "leader");
  const refused = refusedText(leading?.intake);
  if (refused === null) return [];
  const short = statuses.filter(isShort).map(({ name, diskState }) => `${name} (${diskState})`);
  return [broken(`${refused}, for want of room on the disks of ${short.join(", ")}`, MAKE_ROOM)];
}

/** Of one node, in a few words; empty where there is room. */
export function diskNote(status: StatusPage): string {
  return isShort(status) ? `disk ${status.diskState}` : "";
}

export function ofDisk(status: StatusPage): readonly Finding[] {
  const { name, disk, diskState } = status;
  const left = disk == null ? "" : `: ${leftText(disk)}`;
  if (diskState === "full") {
    return [warning(`the disk of ${name} is full, so it takes no entries${left}`, MAKE_ROOM)];
  }
  if (diskState === "low") {
    return [warning(`the disk of ${name} is low, so it leads only if it must${left}`, MAKE_ROOM)];
  }
  if (disk == null || disk.freeBytes >= DISK_ROOM_BYTES_LOW) return [];
  return [
    warning(
      `the disk of ${name} has ${leftText(disk)}`,
      "make room, before the node has to refuse registrations (--disk-low)",
    ),
  ];
}

function leftText({ freeBytes, totalBytes }: NonNullable<StatusPage["disk"]>): string {
  return `${bytesText(freeBytes)} left of ${bytesText(totalBytes)}`;
}

function isShort({ diskState }: StatusPage): boolean {
  return diskState === "low" || diskState === "full";
}
