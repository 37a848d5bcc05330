import type { Side } from "./failpoint.ts";

export interface Passed {
  readonly side: Side;
  readonly step: string;
}

/** What a victim has said before it died, or came to its end. */
export interface Told {
  readonly isOpened: boolean;
  readonly isClosed: boolean;
  /** Actions that were reported as done. */
  readonly done: number;
  /** Whether the next one was begun. */
  readonly isUnderway: boolean;
  /** All of its steps. */
  readonly steps: readonly Passed[];
  /** Those before it was open. */
  readonly opening: readonly Passed[];
  /** Those since the action that was begun last. */
  readonly current: readonly Passed[];
}

/** How far a step has come: 0 not begun, 1 begun, 2 done. */
export function progressOf(
  steps: readonly Passed[],
  isMeant: (step: string) => boolean,
): 0 | 1 | 2 {
  const meant = steps.filter(({ step }) => isMeant(step));
  if (meant.length === 0) return 0;
  return meant.some(({ side }) => side === "after") ? 2 : 1;
}

/** Of lines that may stand among others. */
export function passedIn(text: string): Passed[] {
  return text.split("\n").flatMap((line) => {
    const [, side, step = ""] = /^(before|after) (.*)$/.exec(line) ?? [];
    return side === "before" || side === "after" ? [{ side, step }] : [];
  });
}

export function toldBy(output: string): Told {
  // What a kill has cut off was not said.
  const lines = output.slice(0, output.lastIndexOf("\n") + 1).split("\n");
  const steps: Passed[] = [];
  let opening: readonly Passed[] | null = null;
  let done = 0;
  let begun = 0;
  let isUnderway = false;
  let isClosed = false;
  for (const line of lines) {
    const [, word = "", rest = ""] = /^(\w+) ?(.*)$/.exec(line) ?? [];
    steps.push(...passedIn(line));
    if (word === "opened") opening = [...steps];
    if (word === "closed") isClosed = true;
    if (word === "begin") {
      isUnderway = true;
      begun = steps.length;
    }
    if (word === "done") {
      isUnderway = false;
      done = Number(rest) + 1;
      begun = steps.length;
    }
  }
  return {
    isOpened: opening !== null,
    isClosed,
    done,
    isUnderway,
    steps,
    opening: opening ?? steps,
    current: steps.slice(begun),
  };
}
