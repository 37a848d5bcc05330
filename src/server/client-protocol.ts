import type { CloseReason, Random, Timers } from "../env/env.ts";
import type { ClientOutput, ConnectionId, Input } from "../replica/inputs.ts";
import type { Part } from "../wire/client-codec.ts";
import type { MemberBody } from "../wire/messages.ts";

/** What a connection needs to know of its node. */
export interface ClientHost {
  readonly nodeName: string;
  /** Cluster id and epoch. */
  readonly lineage: string;
  readonly timers: Timers;
  readonly random: Random;
  readonly watchCountMax: number;
  step(input: Input): void;
  /** Of this node's copy. */
  revision(): number;
  leaderName(): string | null;
  members(): readonly MemberBody[];
  /** Why a client that has seen `lineage` is not served here; null where it is. */
  refusalOf(lineage: string): string | null;
}

/** What a protocol may do with its connection. */
export interface ClientChannel {
  readonly remote: string;
  /** Outputs and parts that wait to be written. */
  readonly waiting: number;
  /** Known to the replica from here on; asked for once. */
  connect(floorRevision: number): ConnectionId;
  send(part: Part): void;
  ping(): void;
  close(code: number, reason: string): void;
}

/** How one kind of client talks: typed messages, or plain objects. */
export interface ClientProtocol {
  /** 1 where the client knows of no arrays of messages. */
  readonly messagesPerFrameMax: number;
  /** One message of a decoded frame, of which nothing is known yet. */
  receive(value: unknown): void;
  /** An output of the replica; true where it is to be written when its turn comes. */
  accept(output: ClientOutput): boolean;
  /** The bytes for an accepted output; null where the client is told nothing of it. */
  render(output: ClientOutput): Part | null;
  ponged(): void;
  goAway(reason: string, addresses: readonly string[], spreadMs: number): void;
  /** `done` when the replica may forget the connection. */
  closed(reason: CloseReason, done: () => void): void;
}
