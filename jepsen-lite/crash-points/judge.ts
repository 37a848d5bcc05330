import { inspectDirectory } from "../../src/storage/inspection.ts";
import { StorageError } from "../../src/storage/storage.ts";
import { Violation } from "../real/violation.ts";
import { behind, type Found } from "./expected.ts";
import { digestOf, endOf, entryText, type LogState, type Part } from "./log-state.ts";
import { Session } from "./session.ts";

/** Nothing of it waits for a timer. */
const atOnce = async (): Promise<void> => {};

/**
 * Everything of a directory that a crash has left: whoever looks at it calls nothing damaged; it
 * opens, with one of `expected`, byte for byte; it takes a write, and has that at the next opening.
 *
 * `reported` is what had been reported, which is what makes of something that is missing a loss.
 * Where `isHealed`, a file of it was taken away, so a start makes its log whole first.
 */
export async function judge(
  path: string,
  seed: number,
  expected: readonly Found[],
  reported: Found,
  isHealed = false,
): Promise<void> {
  if (isHealed) await heal(path, seed);
  await checkInspection(path);
  const session = new Session(path, seed + 1, atOnce);
  const isRemoved = !(await opens(session));
  if (isRemoved) {
    if (expected.some((found) => found.isRemoved)) return;
    throw new Violation("strange", "it was removed, which nobody has written");
  }
  try {
    const found = await whichOf(session, seed, expected, reported);
    await checkGoesOn(session, found);
  } finally {
    await session.close();
  }
}

async function checkInspection(path: string): Promise<void> {
  const { damages } = await inspectDirectory(path);
  if (damages.length === 0) return;
  const texts = damages.map(({ file, text }) => `${file}: ${text}`);
  throw new Violation("refused", `it is called damaged: ${texts.join("; ")}`, damages.length);
}

async function heal(path: string, seed: number): Promise<void> {
  const session = new Session(path, seed + 1, atOnce);
  try {
    await session.openHealed();
  } catch (error) {
    throw new Violation("refused", `it is not healed: ${error}`);
  } finally {
    await session.close();
  }
}

/** False where the member was removed. */
async function opens(session: Session): Promise<boolean> {
  try {
    await session.open();
    return true;
  } catch (error) {
    if (error instanceof StorageError && error.code === "REMOVED") return false;
    throw new Violation("refused", `it does not open: ${error}`);
  }
}

async function whichOf(
  session: Session,
  seed: number,
  expected: readonly Found[],
  reported: Found,
): Promise<Found> {
  const shown = await textOf(session, seed);
  const match = expected.find((found) => textOfFound(found) === shown);
  if (match !== undefined) return match;
  const others = expected.map(textOfFound);
  const found = linesOnlyIn(shown, others).join("; ");
  const wanted = others.map((text) => linesOnlyIn(text, [shown]).join("; ")).join(", or ");
  throw new Violation(kindOf(session, seed, reported), `a start finds ${found}, not ${wanted}`);
}

/** Of what is there and should not be, or is not there: what was reported is lost, or told in vain. */
function kindOf(session: Session, seed: number, reported: Found): Violation["kind"] {
  const { directory } = session;
  const wasMade = directory.identity.incarnation === Session.incarnationOf(seed);
  if ((reported.isMade && !wasMade) || (reported.isBorn && directory.birth === null)) return "lost";
  if (directory.birth === null) return "strange";
  const { hardState, entries, snapshot } = session.loaded;
  const { hardState: told } = reported.state;
  if (hardState.term < told.term) return "twoVotes";
  if (hardState.term === told.term && told.vote !== null && hardState.vote !== told.vote) {
    return "twoVotes";
  }
  const there = new Set(entries.map(entryText));
  const index = snapshot?.index ?? 0;
  const isLost = reported.state.entries.some((entry) => {
    return entry.index > index && !there.has(entryText(entry));
  });
  const isOlder = index < (reported.state.snapshot?.index ?? 0);
  return isLost || isOlder ? "lost" : "strange";
}

function linesOnlyIn(text: string, others: readonly string[]): string[] {
  const known = new Set(others.flatMap((other) => other.split("\n")));
  return text.split("\n").filter((line) => !known.has(line));
}

async function textOf(session: Session, seed: number): Promise<string> {
  const { directory } = session;
  const isMade = directory.identity.incarnation === Session.incarnationOf(seed);
  const isBorn = directory.birth !== null;
  const lostEnd = directory.returning?.lostEnd ?? null;
  if (!isBorn) return JSON.stringify({ isMade, isBorn, lostEnd });
  const chunks: Uint8Array[] = [];
  for await (const chunk of session.storage.chunks()) chunks.push(chunk);
  const { hardState, logStart, snapshot, entries } = session.loaded;
  const text = textOfState({ hardState, logStart, snapshot, entries, chunks });
  return `${JSON.stringify({ isMade, isBorn, lostEnd })}\n${text}`;
}

function textOfFound({ isMade, isBorn, lostEnd, state }: Found): string {
  const facts = JSON.stringify({ isMade, isBorn, lostEnd });
  return isBorn ? `${facts}\n${textOfState(state)}` : facts;
}

type Shown = Pick<LogState, "hardState" | "logStart" | "snapshot" | "entries" | "chunks">;

function textOfState({ hardState, logStart, snapshot, entries, chunks }: Shown): string {
  const { term, vote } = hardState;
  return [
    `term ${term}, vote ${vote}`,
    `a log behind ${logStart.index}/${logStart.term} of ${entries.length} entries`,
    ...entries.map(entryText),
    `snapshot ${snapshot === null ? "none" : `${snapshot.index}/${snapshot.term} ${snapshot.nonce}`}`,
    `chunks ${chunks.map(digestOf).join(", ")}`,
  ].join("\n");
}

/** In a term of its own, behind the end; and all of it is there again. */
async function checkGoesOn(session: Session, found: Found): Promise<void> {
  try {
    if (session.directory.birth === null) await session.run({ type: "bear" });
    const end = endOf(found.state);
    const term = found.state.hardState.term + 1;
    const data = Buffer.from("behind the crash");
    const entry = { index: end.index + 1, term, kind: "commands", data } as const;
    const hardState = { term, vote: "c3".repeat(8) };
    const part: Part = { hardState, entries: [entry], commitIndex: 0, snapshot: null };
    const next = behind({ type: "persist", part }, found);
    await session.run({ type: "persist", part });
    await session.run({ type: "elapse" });
    await session.run({ type: "reopen" });
    const { hardState: again, entries } = session.loaded;
    const isThere = entries.map(entryText).join() === next.state.entries.map(entryText).join();
    if (again.term === term && again.vote === hardState.vote && isThere) return;
    throw new Violation("lost", `it lost a write that it took behind the crash`);
  } catch (error) {
    if (error instanceof Violation) throw error;
    throw new Violation("stuck", `it takes no write: ${error}`);
  }
}
