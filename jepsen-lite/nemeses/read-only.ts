import { endsByDisk } from "../real/ends.ts";
import { stopped } from "../real/machines.ts";
import { type Nemesis, seen } from "./nemesis.ts";
import { selected } from "./targets.ts";

/**
 * A file system finds an error in itself and becomes read-only: the node ends with its next write,
 * and is started when the file system is mended. (It stands still meanwhile: `failing-disks`.)
 */
export const readOnly: Nemesis = {
  name: "read-only",
  doc: "The file system of one, or of the leader, becomes read-only: it has to end, and is started again behind a repair.",
  on: "processes",
  // Somebody who is removed ends, too.
  alsoOn: ["members"],
  needs: ["disks"],
  strike: async (world, prng) => {
    const [node] = await selected(world, prng.pick(["one", "primary"] as const), prng);
    if (node === undefined || !node.isRunning) return null;
    const { disk } = world.footing.machine(node);
    node.isBeingKilled = true;
    await stopped(node);
    await disk.becomeReadOnly();
    node.signal("SIGCONT");
    void node.ended.then(() => world.edges.refuse(node.name));
    return {
      what: `the disk of ${node.name} is read-only`,
      end: async () => {
        // It may have had nothing to write.
        const hasEnded = !node.isRunning;
        if (hasEnded) await endsByDisk(node, /EROFS|read-only/i);
        else await world.kill(node);
        await disk.mend();
        world.revive(node);
        return seen(hasEnded ? 1 : 0, "nodes that ended with their next write");
      },
    };
  },
};
