/** Something to know, and what to do about it. */
export interface Finding {
  /** `broken`: something does not work until it is seen to. `warning`: it works. */
  readonly level: "broken" | "warning";
  /** What is so, in words. */
  readonly text: string;
  /** What to do, with the command to type where there is one. */
  readonly next: string;
}

export interface Verdict {
  /** In one sentence; of the first thing that is broken, where anything is. */
  readonly text: string;
  readonly isBroken: boolean;
  /** What is broken comes first. */
  readonly findings: readonly Finding[];
}

export function broken(text: string, next: string): Finding {
  return { level: "broken", text, next };
}

export function warning(text: string, next: string): Finding {
  return { level: "warning", text, next };
}

/** `well`: what is said where nothing is broken. */
export function verdictOf(findings: readonly Finding[], well: string): Verdict {
  const worst = findings.filter(({ level }) => level === "broken");
  const mild = findings.filter(({ level }) => level === "warning");
  const [first] = worst;
  const more = mild.length === 0 ? "" : `; ${counted(mild.length, "thing")} to look at`;
  const text = first?.text ?? `${well}${more}`;
  return { text, isBroken: first !== undefined, findings: [...worst, ...mild] };
}

export function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

export function majorityOf(count: number): number {
  return Math.floor(count / 2) + 1;
}
