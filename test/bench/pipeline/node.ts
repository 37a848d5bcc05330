/**
 * A node of the bare pipeline, the floor that Rollcall is measured against: three processes, ws,
 * msgpackr, one synced LevelDB value a batch on each, a majority of acknowledgements; no Raft, no
 * registry, no recovery.
 *
 *   node dist/test/bench/pipeline/node.js DIRECTORY [LEADER_URL]
 *
 * Without the address of a leader it leads. It tells its parent `{ port }` and then `{ ready: true }`.
 */
import { follow } from "./follower.ts";
import { lead } from "./leader.ts";

const [directory, leader] = process.argv.slice(2);
if (directory === undefined) throw new Error("usage: node.js DIRECTORY [LEADER_URL]");
const tell = (message: { readonly port: number } | { readonly ready: true }): void => {
  if (process.send === undefined) console.log(JSON.stringify(message));
  else process.send(message);
};

process.on("disconnect", () => process.exit(0));
const onReady = (): void => tell({ ready: true });
if (leader === undefined) await lead(directory, (port) => tell({ port }), onReady);
else await follow(directory, leader).then(onReady);
