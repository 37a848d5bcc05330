import { expect } from "vitest";
import type { PeerMessage } from "../../src/replica/peer-messages.ts";
import type { Client, Cluster, Node, OpenOptions } from "./harness.ts";

export function openedOn(
  cluster: Cluster,
  node: string,
  session = "s1",
  options: OpenOptions = {},
): Client {
  const client = cluster.connect(node);
  const request = client.open(session, options);
  cluster.deliver();
  expect(client.answer(request)).toBe("ok");
  return client;
}

export function attachedOn(
  cluster: Cluster,
  node: string,
  session: string,
  attach: number,
): Client {
  const client = cluster.connect(node);
  client.attach(session, attach);
  return client;
}

export function endsSeenBy(node: Node): { session: string; reason: string }[] {
  return node.notices.flatMap((notice) =>
    notice.type === "sessionEnded" ? [{ session: notice.session, reason: notice.reason }] : [],
  );
}

export function lives(cluster: Cluster, session: string): boolean {
  return cluster.nodes.every(
    (node) => node.replica === null || node.up.registry.session(session)?.ending === null,
  );
}

/** Time goes by; the client pings on the way, so that its TTL does not run out. */
export function passAlive(cluster: Cluster, client: Client, forMs: number): void {
  for (let ms = 0; ms < forMs; ms += 500) {
    client.ping();
    cluster.pass(500);
  }
}

export const isForward = ({ type }: PeerMessage): boolean => type === "forward";
export const isReport = ({ type }: PeerMessage): boolean => type === "report";
export const isConfirmation = ({ type }: PeerMessage): boolean => type === "reportConfirmed";
export const isRoundAnswer = ({ type }: PeerMessage): boolean => type === "heartbeatResponse";
