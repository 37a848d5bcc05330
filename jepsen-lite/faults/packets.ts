import { command } from "./command.ts";

const TABLE = ["inet", "rollcall"] as const;

/** Packets between which addresses are lost: those that come from one of the first, or go to one of the others. */
export interface Lossy {
  readonly from: readonly string[];
  readonly to: readonly string[];
}

/**
 * From here on the kernel loses these packets, and tells neither end: both send again, and wait. Call
 * what it resolves with to have them pass again; it resolves with how many were lost. One at a time,
 * in a network of its own.
 */
export async function losePackets({ from, to }: Lossy): Promise<() => Promise<number>> {
  const sets = [
    ...(from.length > 0 ? [["ip", "saddr", `{ ${from.join(", ")} }`]] : []),
    ...(to.length > 0 ? [["ip", "daddr", `{ ${to.join(", ")} }`]] : []),
  ];
  await command("nft", "add", "table", ...TABLE);
  await command("nft", "add", "chain", ...TABLE, "lost", "{ type filter hook input priority 0 ; }");
  for (const set of sets) {
    await command("nft", "add", "rule", ...TABLE, "lost", ...set, "counter", "drop");
  }
  return async () => {
    const listed = await command("nft", "list", "table", ...TABLE);
    await command("nft", "delete", "table", ...TABLE);
    const counts = [...listed.matchAll(/counter packets (\d+)/g)];
    return counts.reduce((sum, [, count]) => sum + Number(count), 0);
  };
}
