import type { Ready } from "../raft/ready.ts";
import type { Output } from "./inputs.ts";

/** What Raft asks of disk, peers and timers. */
export function raftOutputs({ persist, messages, alarm }: Ready): Output[] {
  const outputs: Output[] = [];
  if (persist !== null) {
    outputs.push({ type: "persist", request: persist });
  }
  for (const message of messages) {
    outputs.push({ type: "send", message });
  }
  if (alarm !== null) {
    outputs.push({ type: "alarm", alarm });
  }
  return outputs;
}
