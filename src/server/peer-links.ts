import type { Clock, Dialer, Logger, Random, Socket, Timer, Timers } from "../env/env.ts";
import {
  CONNECT_TIMEOUT_MS_DEFAULT,
  GUESTS_MAX,
  PEER_LEAVING_MS,
  PEER_SILENCE_MS_MAX,
} from "../limits.ts";
import type { LogIndex, MemberId } from "../raft/types.ts";
import type { PeerMessage } from "../replica/peer-messages.ts";
import { type KnownMembers, memberAsOf, standingOf } from "../replica/peer-standing.ts";
import {
  type PeerCluster,
  type PeerHello,
  type PeerIdentity,
  type PeerRefused,
  PROTOCOL_VERSION,
} from "../wire/messages.ts";
import { decodePeerFrame, encodePeerHello } from "../wire/peer-codec.ts";
import { Complaints } from "./complaints.ts";
import { type LaterEpoch, laterEpoch } from "./lineage.ts";
import {
  CLOSE,
  ClosedInHandshake,
  introductionOf,
  receiveHello,
  showOut,
} from "./peer-handshake.ts";
import { PeerLink } from "./peer-link.ts";
import { Pulse } from "./pulse.ts";
import { lineageOf } from "./status.ts";

export interface PeerLinksOptions {
  readonly self: PeerIdentity;
  readonly advertise: string;
  readonly cluster: PeerCluster;
  /** All members at the start, whether this one is among them or not. */
  readonly peers: readonly PeerIdentity[];
  /** As of now. */
  readonly known: () => KnownMembers;
  /** As of this index it is committed that this node is a member. */
  readonly joinedIndex: LogIndex;
  /** Where a member may be dialled, best first, by what was configured or stored; or a guest. */
  readonly addressesOf: (name: string, guestAt: string | null) => readonly string[];
  /** A member's own word on where it serves. */
  readonly onAdvertised: (name: string, advertise: string) => void;
  readonly dialer: Dialer;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  readonly onMessage: (message: PeerMessage) => void;
  readonly onLink: (peer: MemberId, isUp: boolean) => void;
  /** No connection with it is left and it answers no dial; or there is one again. */
  readonly onGone: (peer: MemberId, isGone: boolean) => void;
  /** A peer knows that this node was removed, by what is committed. */
  readonly onRemoved: () => void;
  /** The cluster goes on in a later epoch, as a node of it says: this one must serve nobody. */
  readonly onSuperseded: (told: LaterEpoch) => void;
}

interface Peer {
  readonly name: string;
  readonly link: PeerLink;
  /** Of one that no configuration here names: what it said of itself. Else null. */
  guest: { readonly advertise: string; readonly memberAsOf: LogIndex } | null;
}

export interface PeerLinkStatus {
  readonly name: string;
  readonly id: MemberId;
  readonly isUp: boolean;
  readonly bufferedBytes: number;
  readonly dropped: number;
}

/** All links of a member: it dials every other one, and takes one live dial of each. */
export class PeerLinks {
  readonly #options: PeerLinksOptions;
  readonly #links = new Map<MemberId, Peer>();
  readonly #inbound = new Map<MemberId, Socket>();
  readonly #complaints: Complaints;
  readonly #gone = new Set<MemberId>();
  /** Links to those who have left, kept until they can have heard of it. */
  readonly #leaving = new Map<MemberId, Timer>();
  #isStarted = false;

  constructor(options: PeerLinksOptions) {
    this.#options = options;
    this.#complaints = new Complaints(options.logger, options.clock);
    this.setPeers(options.peers);
  }

  /**
   * All members from now on: of the configuration in force, and of the committed one. Whose removal
   * is committed is linked to for PEER_LEAVING_MS more: its last messages tell it so (0014). It is told
   * in any case when it dials again.
   */
  setPeers(peers: readonly PeerIdentity[]): void {
    for (const peer of peers) {
      const { incarnation: id } = peer;
      this.#leaving.get(id)?.cancel();
      this.#leaving.delete(id);
      const known = this.#links.get(id);
      if (known !== undefined) {
        known.guest = null;
      } else if (id !== this.#options.self.incarnation) {
        this.#add(peer, null);
      }
    }
    for (const [id, { guest }] of this.#links) {
      if (this.#leaving.has(id) || peers.some(({ incarnation }) => incarnation === id)) {
        continue;
      }
      if (guest === null) {
        const timer = this.#options.timers.after(PEER_LEAVING_MS, () => this.#letGo(id));
        this.#leaving.set(id, timer);
      } else if (standingOf(this.#options.known(), id, guest.memberAsOf) === "removed") {
        this.#letGo(id);
      }
    }
  }

  /** It was said to be somewhere else. */
  moved(id: MemberId): void {
    this.#links.get(id)?.link.moved();
  }

  #add(identity: PeerIdentity, guest: Peer["guest"]): void {
    const link = this.#makeLink(identity);
    this.#links.set(identity.incarnation, { name: identity.name, link, guest });
    if (this.#isStarted) {
      link.start();
    }
  }

  #letGo(id: MemberId): void {
    this.#leaving.delete(id);
    this.#gone.delete(id);
    const left = this.#links.get(id)?.link;
    if (left?.isUp === true) {
      this.#options.onLink(id, false);
    }
    left?.stop();
    this.#links.delete(id);
    const socket = this.#inbound.get(id);
    this.#inbound.delete(id);
    socket?.close(CLOSE.policy, "no member any more");
  }

  start(): void {
    this.#isStarted = true;
    for (const { link } of this.#links.values()) {
      link.start();
    }
  }

  stop(): void {
    this.#stopLeaving();
    for (const { link } of this.#links.values()) {
      link.stop();
    }
    for (const socket of this.#inbound.values()) {
      socket.close(CLOSE.goingAway, "the node stops");
    }
    this.#inbound.clear();
  }

  /** As `stop`, but without a byte more. */
  abandon(): void {
    this.#stopLeaving();
    for (const { link } of this.#links.values()) {
      link.abandon();
    }
    for (const socket of this.#inbound.values()) {
      socket.terminate();
    }
    this.#inbound.clear();
  }

  #stopLeaving(): void {
    this.#isStarted = false;
    for (const timer of this.#leaving.values()) {
      timer.cancel();
    }
    this.#leaving.clear();
  }

  send(peer: MemberId, messages: readonly PeerMessage[]): void {
    this.#links.get(peer)?.link.send(messages);
  }

  status(): readonly PeerLinkStatus[] {
    return [...this.#links].map(([id, { name, link }]) => ({
      name,
      id,
      isUp: link.isUp,
      bufferedBytes: link.bufferedBytes,
      dropped: link.dropped,
    }));
  }

  /** A socket that came in on the peer path. */
  async accept(socket: Socket): Promise<void> {
    const { logger, timers } = this.#options;
    const { remote } = socket;
    try {
      const hello = await receiveHello(socket, timers, CONNECT_TIMEOUT_MS_DEFAULT);
      this.#welcome(socket, hello);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      if (error instanceof ClosedInHandshake) {
        // Nobody was refused: it gave up, as a peer does with a dial that waited too long here.
        logger.debug({ remote }, `a peer's dial was given up: ${reason}`);
        return;
      }
      this.#complaints.say(hostOf(remote), { remote }, `peer handshake failed: ${reason}`);
      socket.close(CLOSE.policy, reason);
    }
  }

  #makeLink(peer: PeerIdentity): PeerLink {
    const { addressesOf, onAdvertised, onLink } = this.#options;
    const guest = () => this.#links.get(peer.incarnation)?.guest ?? null;
    return new PeerLink({
      ...this.#options,
      peer,
      addresses: () => addressesOf(peer.name, guest()?.advertise ?? null),
      hello: () => this.#hello(),
      onUp: (advertise) => {
        if (guest() === null) {
          onAdvertised(peer.name, advertise);
        }
        this.#answers(peer.incarnation);
        onLink(peer.incarnation, true);
      },
      onDown: () => onLink(peer.incarnation, false),
      onUnanswered: () => this.#unanswered(peer.incarnation),
      onRemoved: (refusal) => this.#toldRemoved(peer, refusal),
    });
  }

  /** Unless this node has learnt since it asked that it is a member after all. */
  #toldRemoved(peer: PeerIdentity, { asOf = 0, message }: PeerRefused): void {
    const { known, self, joinedIndex, logger, onRemoved } = this.#options;
    if (memberAsOf(known(), self.incarnation, joinedIndex) <= asOf) {
      logger.warn({ peer: peer.name }, `a peer knows more of this node than it does: ${message}`);
      onRemoved();
    }
  }

  /**
   * Of two connections with a peer, one each way, the first to break is dialled again and nothing
   * is concluded; the last one asks by a dial whether the process is there at all.
   */
  #unanswered(peer: MemberId): void {
    const isConnected = this.#inbound.has(peer) || this.#links.get(peer)?.link.isUp === true;
    if (!isConnected && !this.#gone.has(peer)) {
      this.#gone.add(peer);
      this.#options.onGone(peer, true);
    }
  }

  #answers(peer: MemberId): void {
    if (this.#gone.delete(peer)) {
      this.#options.onGone(peer, false);
    }
  }

  #hello(): PeerHello {
    const { self, advertise, cluster, known, joinedIndex } = this.#options;
    const { clusterId, epoch, members } = cluster;
    return {
      type: "peerHello",
      ...introductionOf(self, advertise),
      cluster: { clusterId, epoch, members },
      memberAsOf: memberAsOf(known(), self.incarnation, joinedIndex),
    };
  }

  #welcome(socket: Socket, hello: PeerHello): void {
    const refusal = this.#refusal(hello);
    if (refusal !== null) {
      const fields = { peer: hello.name, remote: socket.remote };
      this.#complaints.say(whoIs(hello, socket), fields, refusal.message);
      socket.send(encodePeerHello(refusal));
      socket.close(CLOSE.policy, refusal.message);
      return;
    }
    socket.send(encodePeerHello({ ...this.#hello(), type: "peerWelcome" }));
    if (hello.cluster === null) {
      // A fresh directory only asks, and draws its conclusion.
      showOut(socket, this.#options.timers);
    } else {
      this.#admit(socket, hello);
    }
  }

  #refusal(hello: PeerHello): PeerRefused | null {
    const { self, cluster, known } = this.#options;
    const refuse = (code: PeerRefused["code"], message: string) =>
      ({ type: "peerRefused", code, message }) as const;
    if (hello.protocol !== PROTOCOL_VERSION) {
      return refuse(
        "VERSION",
        `${self.name} speaks protocol ${PROTOCOL_VERSION}, not ${hello.protocol}`,
      );
    }
    if (hello.cluster === null) {
      return null;
    }
    if (hello.cluster.clusterId !== cluster.clusterId || hello.cluster.epoch !== cluster.epoch) {
      const denied = refuse(
        "DENIED",
        `${self.name} is of cluster ${lineageOf(cluster)}, not of ${lineageOf(hello.cluster)}`,
      );
      const isLater = laterEpoch(hello.cluster, cluster) !== null;
      return isLater ? { ...denied, epoch: cluster.epoch } : denied;
    }
    const { name, incarnation } = hello;
    const members = known();
    const standing = standingOf(members, incarnation, hello.memberAsOf);
    if (standing === "removed") {
      const text = `${name} (${incarnation}) is no member of ${cluster.clusterId} any more`;
      return { ...refuse("REMOVED", text), asOf: members.commitIndex };
    }
    const knownName = this.#links.get(incarnation)?.name;
    if (incarnation === self.incarnation || (knownName ?? name) !== name) {
      return refuse(
        "DENIED",
        `${name} (${incarnation}) is no member of ${cluster.clusterId}: it is ${knownName ?? self.name} who has that directory`,
      );
    }
    const guests = [...this.#links.values()].filter(({ guest }) => guest !== null);
    const isNew = standing === "guest" && knownName === undefined;
    return isNew && guests.length >= GUESTS_MAX
      ? refuse("OVERLOADED", `${self.name} has ${GUESTS_MAX} guests already (GUESTS_MAX)`)
      : null;
  }

  /**
   * Two that come back without their logs are in no configuration of each other. Were they guests,
   * the one whose dial breaks would be let go, its own dial would break by that, and so on.
   *
   * The newest dial of a peer is the live one. What its former dial still holds was sent before,
   * and would arrive behind what comes on the new one.
   */
  #admit(socket: Socket, hello: PeerHello): void {
    const { incarnation: id, name, advertise } = hello;
    const known = this.#links.get(id);
    const isGuest =
      known?.guest !== null && standingOf(this.#options.known(), id, hello.memberAsOf) === "guest";
    const guest = isGuest ? { advertise, memberAsOf: hello.memberAsOf } : null;
    if (known === undefined) {
      if (isGuest) {
        this.#options.logger.info({ peer: name }, "let in, though it is in no configuration here");
      }
      this.#add({ name, incarnation: id }, guest);
    } else {
      known.guest = guest;
    }
    this.#inbound.get(id)?.terminate();
    this.#inbound.set(id, socket);
    const pulse = new Pulse(socket, this.#options.timers, PEER_SILENCE_MS_MAX, () => {
      socket.terminate();
    });
    socket.onClose = () => {
      pulse.stop();
      if (this.#inbound.get(id) === socket) {
        this.#inbound.delete(id);
        this.#ended(id);
      }
    };
    socket.onFrame = (frame) => {
      pulse.seen();
      if (this.#inbound.get(id) === socket) {
        this.#received(socket, id, name, frame);
      }
    };
    this.#complaints.settle(whoIs(hello, socket));
    if (!isGuest) {
      this.#options.onAdvertised(name, advertise);
    }
    this.#answers(id);
    this.#links.get(id)?.link.wake();
  }

  /** The last dial of a peer is broken. A guest is one for as long as it comes. */
  #ended(id: MemberId): void {
    const peer = this.#links.get(id);
    if (peer?.guest === null) {
      peer.link.probe();
    } else {
      this.#letGo(id);
    }
  }

  #received(socket: Socket, id: MemberId, name: string, frame: string | Uint8Array): void {
    const messages = this.#decoded(socket, id, name, frame);
    for (const message of messages) {
      this.#options.onMessage(message);
    }
  }

  #decoded(
    socket: Socket,
    id: MemberId,
    name: string,
    frame: string | Uint8Array,
  ): readonly PeerMessage[] {
    try {
      if (typeof frame === "string") {
        throw new Error("a peer sends binary frames only");
      }
      const messages = decodePeerFrame(frame);
      const { incarnation } = this.#options.self;
      for (const message of messages) {
        if (message.from !== id || message.to !== incarnation) {
          throw new Error(`a message of ${message.from} to ${message.to} on the link of ${id}`);
        }
      }
      return messages;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#options.logger.error({ peer: name }, `peer link is closed: ${reason}`);
      this.#inbound.delete(id);
      socket.close(CLOSE.badData, reason);
      return [];
    }
  }
}

function whoIs({ name }: PeerHello, { remote }: Socket): string {
  return `${name}@${hostOf(remote)}`;
}

function hostOf(remote: string): string {
  return remote.slice(0, remote.lastIndexOf(":"));
}
