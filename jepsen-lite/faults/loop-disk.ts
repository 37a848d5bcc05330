import { type FileHandle, mkdir, open, rm, rmdir, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { command } from "./command.ts";

const DISK_BYTES = 256 * 1024 * 1024;
/** The journal writes nothing by itself: what nobody has synced is in memory when the power goes. */
const MOUNT_OPTIONS = "commit=300,noatime";

/**
 * An ext4 with a journal in a loop device, mounted on a directory: a disk whose power can be cut.
 *
 * The file behind the device has no name any more, and the device is told to go when nobody has it
 * open (`losetup -d` of a device in use). It is held by this process and by its mount, so a process
 * that is killed leaves at most the mount; in a mount namespace of its own, nothing.
 */
export class LoopDisk {
  /** Where it is mounted. */
  readonly path: string;
  readonly #device: string;
  readonly #held: FileHandle;

  private constructor(path: string, device: string, held: FileHandle) {
    this.path = path;
    this.#device = device;
    this.#held = held;
  }

  /** In `directory`, mounted. */
  static async make(directory: string, name: string, bytes = DISK_BYTES): Promise<LoopDisk> {
    const path = join(directory, name);
    const image = `${path}.img`;
    await mkdir(path);
    try {
      const file = await open(image, "wx");
      await file.truncate(bytes);
      await file.close();
      await command("mkfs.ext4", "-q", "-F", "-b", "4096", image);
      const disk = await LoopDisk.#attach(path, image);
      try {
        await disk.#mount();
      } catch (error) {
        await disk.remove();
        throw error;
      }
      return disk;
    } finally {
      await rm(image, { force: true });
    }
  }

  static async #attach(path: string, image: string): Promise<LoopDisk> {
    const device = await command("losetup", "--find", "--show", image);
    try {
      return new LoopDisk(path, device, await open(device, "r"));
    } finally {
      // At once where it could not be opened, and with its last user where it could.
      await command("losetup", "--detach", device);
    }
  }

  /**
   * After a power cut, when no process has a file of it open: lets the journal recover it, checks
   * that nothing else is wrong with it, and mounts it again.
   */
  async recover(): Promise<void> {
    await command("umount", this.path);
    await this.#mount();
    await command("umount", this.path);
    await command("e2fsck", "-f", "-n", this.#device);
    await this.#mount();
  }

  /**
   * As ext4 does where it finds itself damaged: from here on nothing can be written to it, and its
   * journal is given up, with what was not synced. (A remount is refused as long as files of it are
   * open for writing.)
   */
  async becomeReadOnly(): Promise<void> {
    await command("mount", "-o", "remount,errors=remount-ro", this.path);
    await writeFile(`/sys/fs/ext4/${basename(this.#device)}/trigger_fs_error`, "1");
  }

  /** After `becomeReadOnly`, when no process has a file of it open. */
  async mend(): Promise<void> {
    await command("umount", this.path);
    // It says by its exit code that there was something to mend; the second has to find nothing.
    await command("e2fsck", "-f", "-y", this.#device).catch(() => {});
    await command("e2fsck", "-f", "-n", this.#device);
    await this.#mount();
  }

  /** With all that is on it. No process may have a file of it open. */
  async remove(): Promise<void> {
    await command("umount", this.path).catch(() => {});
    await this.#held.close();
    await rmdir(this.path).catch(() => {});
  }

  #mount(): Promise<string> {
    return command("mount", "-o", MOUNT_OPTIONS, this.#device, this.path);
  }
}
