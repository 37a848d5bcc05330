import { Prng } from "../prng.ts";
import { type Action, Script } from "./script.ts";

const MIB = 1024 * 1024;

/** Something that is done to a directory, and the directory that it is done to. */
export interface Operation {
  readonly name: string;
  /** Null: there is none before. */
  readonly setup: ((script: Script, prng: Prng) => void) | null;
  readonly act: (script: Script, prng: Prng) => void;
}

/** With a log, a snapshot, and a part of the log cut. */
function used(script: Script, prng: Prng): void {
  script.also("bear").term().vote().append(prng.between(12, 20), 4).take(2).cut(3);
  script.append(prng.between(6, 10), 5);
}

function withLeftovers(script: Script, prng: Prng): void {
  used(script, prng);
  script.append(prng.between(260, 300), 4, 60).stage().take(1).drop().cut(2);
}

/** As `docs/storage.md` names them. */
export const operations: readonly Operation[] = [
  { name: "make", setup: null, act: (script) => script.also("bear").term().vote().append(2) },
  { name: "start", setup: withLeftovers, act: () => {} },
  {
    name: "vote",
    setup: used,
    act: (script) => script.term().vote().append(1).term("a1".repeat(8)).term(),
  },
  {
    name: "append",
    setup: used,
    act: (script, prng) => {
      script.term();
      for (let i = 0; i < 4; i += 1) script.append(prng.between(1, 8));
      script.elapse();
      for (let i = 0; i < 2; i += 1) script.append(prng.between(1, 8)).elapse();
    },
  },
  {
    name: "rotate",
    setup: used,
    act: (script) => {
      for (let i = 0; i < 10; i += 1) script.append(4, 2, MIB);
      script.elapse().append(2);
    },
  },
  {
    name: "truncate",
    setup: used,
    act: (script, prng) => {
      script.truncate(prng.between(3, 5), 2).elapse();
      script.append(6, 7).truncate(prng.between(4, 6), 9).elapse().truncate(9, 1).elapse();
    },
  },
  {
    name: "take",
    setup: used,
    act: (script) => script.append(8, 1).take(2).elapse().append(2, 0).take(0).drop().elapse(),
  },
  {
    name: "cut",
    setup: used,
    act: (script, prng) => {
      script.append(prng.between(260, 300), 1, 60).take(2);
      script.cut(prng.between(240, 250)).elapse().cut(1).elapse(3).append(1);
    },
  },
  {
    name: "install",
    setup: used,
    act: (script, prng) => {
      script.install(prng.between(1, 3)).elapse().append(4, 3);
      script.install(prng.between(8, 12)).append(3).elapse(3);
    },
  },
  {
    name: "sweep",
    setup: (script, prng) => {
      used(script, prng);
      script.take(1).stage();
    },
    act: (script, prng) => {
      script.elapse(2).append(prng.between(260, 300), 1, 60).take(2).cut(1).elapse(3).append(1);
    },
  },
  { name: "aside", setup: used, act: (script) => script.setAside().term().append(3).elapse() },
  {
    name: "return",
    setup: (script, prng) => {
      used(script, prng);
      script.setAside().term().append(30, 2);
    },
    act: (script) => script.also("returned").append(2),
  },
  {
    name: "heal",
    setup: used,
    act: (script) => script.append(3).elapse().also("heal").append(2).elapse(),
  },
  { name: "leave", setup: used, act: (script) => script.append(1).also("leave") },
];

export interface Scripts {
  readonly setup: readonly Action[];
  readonly act: readonly Action[];
}

/** The same for whoever asks with the same seed. */
export function scriptsOf(operation: Operation, seed: number): Scripts {
  const prng = new Prng(seed, operations.indexOf(operation));
  const script = new Script(prng);
  operation.setup?.(script, prng);
  const setup = script.actions.splice(0);
  operation.act(script, prng);
  return { setup, act: script.actions };
}

export function operationOf(name: string): Operation {
  const found = operations.find((operation) => operation.name === name);
  if (found === undefined) throw new Error(`no operation is called ${name}`);
  return found;
}
