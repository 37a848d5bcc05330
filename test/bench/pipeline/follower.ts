import { Packr } from "msgpackr";
import WebSocket from "ws";
import { type Bytes, Disk } from "./disk.ts";

const packr = new Packr({ useRecords: false });

/**
 * Puts what the leader sends, synced, and acknowledges it. What arrives during a write shares the
 * next one. It dials the leader and not the other way round: WebSocket masks what a client sends,
 * and the large frames go from leader to follower.
 */
export async function follow(directory: string, leader: string): Promise<void> {
  const disk = await Disk.open(directory);
  const waiting: [index: number, value: Bytes][] = [];
  const link = new WebSocket(`${leader}/peer`, { perMessageDeflate: false });

  const write = (): void => {
    const [last] = waiting.at(-1) ?? [];
    if (disk.isBusy || last === undefined) return;
    disk.write(waiting.splice(0), () => {
      link.send(packr.pack(last));
      write();
    });
  };

  link.on("message", (data) => {
    waiting.push(packr.unpack(data as Buffer) as [number, Bytes]);
    write();
  });
  link.on("close", () => process.exit(1));
  await new Promise<void>((resolve) => link.on("open", () => resolve()));
}
