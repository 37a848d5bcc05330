import { mkdtemp, open, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { command, missingCommand } from "./command.ts";
import { LoopDisk } from "./loop-disk.ts";

/**
 * EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH. Node has no ioctl of its own; perl is on every
 * Debian. All are opened before the first is cut, so that they go within a millisecond.
 */
const SHUTDOWN = `my $how = pack("L", 2);
my @disks = map { open(my $disk, "<", $_) or die "$_: $!\\n"; $disk } @ARGV;
for (@disks) { ioctl($_, 0x8004587d, $how) or die "shutdown ioctl: $!\\n" }`;

/**
 * From here on nothing reaches these disks, and what was not synced is lost. Whoever still writes to
 * one gets EIO, and is to be killed; then `recover` gives the disk back as the cut has left it.
 */
export async function cutPower(disks: readonly LoopDisk[]): Promise<void> {
  await command("perl", "-e", SHUTDOWN, ...disks.map(({ path }) => path));
}

/**
 * Called by root. Cuts the power of a disk of its own, and looks. Null where that does what it should;
 * otherwise what is missing here. Rejects where a disk forgets what was synced, or keeps what was not: then the
 * harness would find anything, or nothing.
 */
export async function missingForPowerCuts(): Promise<string | null> {
  const unchecked = await missingCommand("e2fsck", "-V");
  if (unchecked !== null) return `a check of the file system (${unchecked})`;
  const directory = await mkdtemp(join(tmpdir(), "rollcall-power-"));
  try {
    const disk = await LoopDisk.make(directory, "probe").catch(({ message }: Error) => message);
    if (typeof disk === "string") return `ext4 in a loop device (${disk})`;
    try {
      return await probe(disk);
    } finally {
      await disk.remove();
    }
  } finally {
    await rm(directory, { recursive: true });
  }
}

async function probe(disk: LoopDisk): Promise<string | null> {
  const [older, newer] = [join(disk.path, "overwritten"), join(disk.path, "new")];
  await writeSynced(older, "synced");
  const handle = await open(disk.path, "r");
  await handle.sync();
  await handle.close();
  const overwriting = await open(older, "r+");
  await overwriting.write("not yet");
  await overwriting.close();
  await writeFile(newer, "not yet");
  const refusal = await cutPower([disk]).then(
    () => null,
    ({ message }: Error) => message,
  );
  if (refusal !== null) return `the shutdown ioctl (${refusal})`;
  await disk.recover();
  const names = (await readdir(disk.path)).filter((name) => name !== "lost+found");
  const content = await readFile(older, "utf8");
  if (names.join() !== "overwritten" || content !== "synced") {
    throw new Error(`a power cut leaves ${names.join()} with '${content}', not what was synced`);
  }
  return null;
}

async function writeSynced(path: string, content: string): Promise<void> {
  const handle = await open(path, "w");
  await handle.writeFile(content);
  await handle.sync();
  await handle.close();
}
