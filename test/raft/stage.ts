import { describeMessage } from "../../src/raft/describe.ts";
import type { RaftMessage } from "../../src/raft/messages.ts";
import type { ReadId, Term } from "../../src/raft/types.ts";
import { Cluster, dataOf, type Member } from "./cluster.ts";
import { adds, promotes, removes, replaces } from "./members.ts";
import { logOf, Narrator, refusalOf, statusOf } from "./narrator.ts";

type Words = readonly string[];

/**
 * A cluster that is moved by commands and tells what it does. A member that was given something
 * hands out its work at once; a disk that is not `slow` stores it at once. Messages stay on the way
 * until they are delivered or dropped.
 */
export class Stage {
  #cluster = new Cluster([]);
  #narrators = new Map<Member, Narrator>();
  readonly #slow = new Set<string>();
  readonly #linksDown = new Set<string>();
  readonly #isolated = new Set<string>();
  #values = 0;
  #reads = 0;
  #said: string[] = [];

  /** One command; the answer is what was said, a line each. */
  play(line: string): string[] {
    const [verb = "", ...words] = line.split(" ");
    const command = COMMANDS[verb];
    if (command === undefined) throw new Error(`no command is called ${verb}: ${line}`);
    this.#said = [];
    command(this, words);
    return this.#said;
  }

  member(id: string | undefined): Member {
    return this.#cluster.member(id ?? "");
  }

  say(...lines: readonly string[]): void {
    this.#said.push(...lines);
  }

  found(size: number, spares: number, logs: readonly (readonly Term[])[]): void {
    this.#cluster = Cluster.of(size, logs, spares);
    this.#narrators = new Map(this.#cluster.members.map((one) => [one, new Narrator(one)]));
    for (const set of [this.#slow, this.#linksDown, this.#isolated]) set.clear();
  }

  /** Gives `member` something, and lets it do what there is to do then. */
  give(member: Member, input: (member: Member) => void): void {
    input(member);
    const { id } = member;
    const narrator = this.#narratorOf(member);
    for (;;) {
      this.say(...narrator.changes());
      const messages = member.drain();
      this.say(...narrator.changes(), ...narrator.work());
      for (const message of messages) this.#send(message);
      if (member.writing !== null && !this.#slow.has(id)) member.persist();
      else if (!member.load()) return;
    }
  }

  /** Its disk holds the write that was out. */
  persist(member: Member): void {
    const number = member.writing?.write;
    if (number === undefined) throw new Error(`${member.id} waits for no write`);
    this.say(`${member.id} has written ${number}`);
    this.give(member, () => member.persist());
  }

  setDisk(member: Member, isSlow: boolean): void {
    if (isSlow) this.#slow.add(member.id);
    else this.#slow.delete(member.id);
    this.#narratorOf(member).isDiskSlow = isSlow;
  }

  crash(member: Member, survives: "nothing" | "hardState" | "everything"): void {
    member.crash(survives);
    this.#narratorOf(member).forget();
  }

  #narratorOf(member: Member): Narrator {
    const narrator = this.#narrators.get(member);
    if (narrator === undefined) throw new Error(`nobody watches ${member.id}`);
    return narrator;
  }

  #send(message: RaftMessage): void {
    const { from, to } = message;
    const isLost =
      this.#linksDown.has(`${from}>${to}`) || this.#isolated.has(from) !== this.#isolated.has(to);
    this.say(`${describeMessage(message)}${isLost ? " (lost)" : ""}`);
    if (!isLost) this.#cluster.bag.push(message);
  }

  /** What is on the way and fits, taken off it. At most `count`, the oldest first. */
  #take(words: Words): RaftMessage[] {
    const [first = ""] = words;
    const isCounted = /^\d+$/.test(first);
    const count = isCounted ? Number(first) : Number.POSITIVE_INFINITY;
    const wanted = isCounted ? words.slice(1) : words;
    const taken: RaftMessage[] = [];
    this.#cluster.bag = this.#cluster.bag.filter((message) => {
      const isTaken = taken.length < count && wanted.every((word) => fits(message, word));
      if (isTaken) taken.push(message);
      return !isTaken;
    });
    return taken;
  }

  deliver(words: Words): void {
    for (const message of this.#take(words)) this.#hand(message);
  }

  /** As `deliver`, and each stays on the way: it comes again. */
  repeat(words: Words): void {
    const messages = this.#take(words);
    this.#cluster.bag.push(...messages);
    for (const message of messages) this.#hand(message);
  }

  drop(words: Words): void {
    for (const message of this.#take(words)) this.say(`${describeMessage(message)} (lost)`);
  }

  settle(): void {
    for (let turn = 0; turn < 100; turn++) {
      if (this.#cluster.bag.length === 0) return;
      this.deliver([]);
    }
    throw new Error("the cluster never comes to rest");
  }

  #hand(message: RaftMessage): void {
    const member = this.member(message.to);
    const before = this.#said;
    this.#said = [];
    if (member.raft !== null) this.give(member, ({ up }) => up.step(message));
    const outcome = this.#said.map((line) => `  ${line}`);
    const isDown = member.raft === null;
    this.#said = [...before, `${describeMessage(message)}${isDown ? " (down)" : ""}`, ...outcome];
  }

  tick(member: Member | null, count: number): void {
    for (let tick = 0; tick < count; tick++) {
      for (const one of member === null ? this.#cluster.members : [member]) {
        if (one.raft !== null) this.give(one, ({ up }) => up.tick());
      }
    }
  }

  /** Ticks until it says something, and tells for how long that was. */
  timeOut(member: Member): void {
    for (let ticks = 1; ticks <= 50; ticks++) {
      this.tick(member, 1);
      if (this.#said.length === 0) continue;
      this.#said.unshift(`(${ticks} ticks)`);
      return;
    }
    throw new Error(`${member.id} does not time out`);
  }

  /** What is known of it from elsewhere is left out: only how it ends is told. */
  elect(member: Member): void {
    this.timeOut(member);
    this.settle();
    this.#said = [];
    this.status([]);
  }

  link(path: string, isUp: boolean): void {
    const [from, to = ""] = path.split(">");
    if (isUp) this.#linksDown.delete(path);
    else {
      this.#linksDown.add(path);
      this.drop([path]);
    }
    this.give(this.member(from), ({ up }) => up.peerLink(to, isUp));
  }

  isolate(ids: Words): void {
    this.#isolated.clear();
    for (const id of ids) this.#isolated.add(id);
  }

  nextValue(): Uint8Array {
    this.#values++;
    return dataOf(this.#values);
  }

  nextRead(): ReadId {
    this.#reads++;
    return { start: 1, counter: this.#reads };
  }

  status(ids: Words): void {
    const members = ids.length > 0 ? ids.map((id) => this.member(id)) : this.#cluster.members;
    for (const member of members) this.say(...statusOf(member));
  }
}

/** `n1>n2`, `n1>`, `>n2`, or a type. */
function fits({ from, to, type }: RaftMessage, word: string): boolean {
  const [start, end] = word.split(">");
  if (end === undefined) return type === word;
  return (start === "" || start === from) && (end === "" || end === to);
}

function survivorOf(word = "nothing"): "nothing" | "hardState" | "everything" {
  if (word === "nothing" || word === "hardState" || word === "everything") return word;
  throw new Error(`what survives is no ${word}`);
}

/** `up` or `down`, `slow` or `fast`. */
function either(word: string | undefined, yes: string, no: string): boolean {
  if (word !== yes && word !== no) throw new Error(`${yes} or ${no}, not ${word}`);
  return word === yes;
}

function logsOf(words: Words): Term[][] {
  const at = words.indexOf("logs");
  if (at < 0) return [];
  return words.slice(at + 1).map((word) => (word === "-" ? [] : word.split(",").map(Number)));
}

/** The language of the transcripts. */
export const COMMANDS: Readonly<Record<string, (stage: Stage, words: Words) => void>> = {
  /** `cluster 3 spares 1 logs 1,1,2 - 1`: members, those to come, the terms of each one's log. */
  cluster: (stage, words) => {
    const spares = words.indexOf("spares");
    const size = Number(words[0]);
    stage.found(size, spares < 0 ? 0 : Number(words[spares + 1]), logsOf(words));
  },
  /** `tick n1 3`, or `tick all 3`: one after the other, tick by tick. */
  tick: (stage, [id, count = "1"]) => {
    stage.tick(id === "all" ? null : stage.member(id), Number(count));
  },
  /** `timeout n1`: it hears nothing for as long as it bears that. */
  timeout: (stage, [id]) => stage.timeOut(stage.member(id)),
  /** `elect n1`: a timeout, and what comes of it, of which only the end is shown. */
  elect: (stage, [id]) => stage.elect(stage.member(id)),
  /** `deliver 2 n1> appendEntries`: of what is on the way, what fits, once; all of it by default. */
  deliver: (stage, words) => stage.deliver(words),
  repeat: (stage, words) => stage.repeat(words),
  drop: (stage, words) => stage.drop(words),
  /** Delivers until nothing is on the way any more. */
  settle: (stage) => stage.settle(),
  /** `propose n1 3`. */
  propose: (stage, [id, count = "1"]) => {
    stage.give(stage.member(id), ({ up }) => {
      for (let entry = 0; entry < Number(count); entry++) {
        const index = up.propose("commands", stage.nextValue());
        if (index === null) stage.say(`${id} refuses`);
      }
    });
  },
  read: (stage, [id]) => {
    stage.give(stage.member(id), ({ up }) => {
      if (!up.readIndex(stage.nextRead())) stage.say(`${id} refuses`);
    });
  },
  /** `conf n1 add n4`, `promote n4`, `remove n4`, `replace n3 n4`. */
  conf: (stage, [leader, what, id = "", by = ""]) => {
    const changes = {
      add: adds(id),
      promote: promotes(id),
      remove: removes(id),
      replace: replaces(id, by),
    };
    const change = changes[what as keyof typeof changes];
    stage.give(stage.member(leader), ({ up }) => {
      const proposal = up.proposeConf(change);
      if (!proposal.ok) stage.say(refusalOf(leader ?? "", proposal));
    });
  },
  /** `transfer n1 n2`, or `transfer n1` to whoever fits best. */
  transfer: (stage, [id, to = null]) => {
    stage.give(stage.member(id), ({ up }) => {
      const start = up.transferLeadership(to);
      stage.say(start.isStarted ? `${id} hands over to ${start.to}` : refusalOf(id ?? "", start));
    });
  },
  /** `snapshot n1 3`: of what is applied, in three chunks. */
  snapshot: (stage, [id, chunks = "1"]) => {
    const member = stage.member(id);
    if (!member.beginSnapshot(Number(chunks), member.state.index)) throw new Error("nothing new");
    while (member.taking !== null) stage.give(member, () => member.takeStep());
  },
  /** `compact n1 4`. */
  compact: (stage, [id, index]) => {
    stage.give(stage.member(id), ({ up }) => up.compact(Number(index)));
  },
  /** `disk n1 slow`: its writes wait for `persist`. */
  disk: (stage, [id, speed]) => stage.setDisk(stage.member(id), either(speed, "slow", "fast")),
  persist: (stage, [id]) => stage.persist(stage.member(id)),
  /** `crash n1`, with nothing of the write that is out, `hardState`, or `everything`. */
  crash: (stage, [id, survives]) => stage.crash(stage.member(id), survivorOf(survives)),
  restart: (stage, [id]) => stage.give(stage.member(id), (member) => member.start()),
  /** `link n1>n2 down`: what is on it is lost, and n1 is told. */
  link: (stage, [path = "", state]) => stage.link(path, either(state, "up", "down")),
  /** `isolate n1 n2`: what they and the others say to each other is lost. Without names: nobody. */
  isolate: (stage, ids) => stage.isolate(ids),
  /** `gone n2 n1`: n2 finds that the process of n1 does not answer. */
  gone: (stage, [id, peer = ""]) => {
    stage.give(stage.member(id), ({ up }) => up.peerGone(peer, true));
  },
  back: (stage, [id, peer = ""]) => {
    stage.give(stage.member(id), ({ up }) => up.peerGone(peer, false));
  },
  alarm: (stage, [id]) => stage.give(stage.member(id), (member) => member.ring()),
  status: (stage, ids) => stage.status(ids),
  log: (stage, [id]) => stage.say(logOf(stage.member(id))),
};
