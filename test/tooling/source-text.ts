/** What of a source text is blanked: comments alone, or comments and the insides of literals. */
export type Blanked = "comments" | "comments and literals";

/**
 * The same text with its comments (and the insides of its string, template and regular expression
 * literals) replaced by spaces, so that every other character keeps its line and column. Code inside
 * a template's `${…}` stays.
 */
export function blank(text: string, what: Blanked): string {
  const out: string[] = [];
  const literals = what === "comments and literals";
  // One entry for every `${` we are inside of: how many braces have been opened in it since.
  const holes: number[] = [];
  let at = 0;

  const keep = (upTo: number): void => {
    out.push(text.slice(at, upTo));
    at = upTo;
  };
  const hide = (upTo: number): void => {
    out.push(text.slice(at, upTo).replace(/[^\n]/g, " "));
    at = upTo;
  };
  const body = (upTo: number): void => (literals ? hide(upTo) : keep(upTo));
  const templateText = (): void => {
    const end = endOf(/\\[\s\S]|`|\$\{/y, text, at);
    body(end.start);
    keep(end.stop);
    if (end.match === "${") holes.push(0);
  };

  while (at < text.length) {
    const here = text[at] as string;
    if (text.startsWith("//", at)) {
      const end = text.indexOf("\n", at);
      hide(end === -1 ? text.length : end);
    } else if (text.startsWith("/*", at)) {
      const end = text.indexOf("*/", at + 2);
      hide(end === -1 ? text.length : end + 2);
    } else if (here === '"' || here === "'") {
      keep(at + 1);
      const end = endOf(here === '"' ? /\\[\s\S]|["\n]/y : /\\[\s\S]|['\n]/y, text, at);
      body(end.start);
      keep(end.stop);
    } else if (here === "`") {
      keep(at + 1);
      templateText();
    } else if (here === "/" && startsRegExp(out)) {
      keep(at + 1);
      const end = endOf(/\\[\s\S]|\[(?:\\[\s\S]|[^\]\\\n])*\]|[/\n]/y, text, at);
      body(end.start);
      keep(end.stop);
    } else if (here === "}" && holes.at(-1) === 0) {
      holes.pop();
      keep(at + 1);
      templateText();
    } else {
      const depth = holes.length - 1;
      if (depth >= 0 && here === "{") holes[depth] = (holes[depth] as number) + 1;
      if (depth >= 0 && here === "}") holes[depth] = (holes[depth] as number) - 1;
      keep(at + 1);
    }
  }
  return out.join("");
}

/** The first match of a sticky pattern at or after `from` that is neither an escape nor a class. */
function endOf(pattern: RegExp, text: string, from: number) {
  for (let at = from; at < text.length; at += 1) {
    pattern.lastIndex = at;
    const match = pattern.exec(text)?.[0];
    if (match === undefined) continue;
    if (!/^(?:\\|\[)/.test(match)) return { match, start: at, stop: at + match.length };
    at += match.length - 1;
  }
  return { match: "", start: text.length, stop: text.length };
}

/** Whether a slash after this much code opens a regular expression rather than divides. */
function startsRegExp(before: readonly string[]): boolean {
  const tail = before.slice(-200).join("").trimEnd();
  return tail === "" || /(?:[(,=:[!&|?{};+*%~^<>-]|\b(?:return|typeof|case|throw))$/.test(tail);
}

export interface Import {
  /** What stands between the quotes. */
  readonly source: string;
  /** `import type` and `export type`: gone from the compiled file. `import { type X }` is not. */
  readonly typeOnly: boolean;
}

const clause = String.raw`(?:\*(?:\s+as\s+[\w$]+)?|[\w$]+(?:\s*,\s*(?:\{[^}]*\}|\*\s+as\s+[\w$]+))?|\{[^}]*\})`;
const statement = new RegExp(
  String.raw`\b(?:import|export)\s*(type\s+)?${clause}\s*from\s*["']([^"']+)["']`,
  "g",
);
const sideEffect = /\bimport\s*["']([^"']+)["']/g;
const call = /\b(?:import|require)\s*\(\s*["'`]([^"'`]+)["'`]/g;

/** Every module that a source text names, static and dynamic, in no particular order. */
export function importsOf(text: string): Import[] {
  const code = blank(text, "comments");
  const found: Import[] = [];
  for (const match of code.matchAll(statement)) {
    found.push({ source: match[2] as string, typeOnly: match[1] !== undefined });
  }
  for (const pattern of [sideEffect, call]) {
    for (const match of code.matchAll(pattern)) {
      found.push({ source: match[1] as string, typeOnly: false });
    }
  }
  return found;
}
