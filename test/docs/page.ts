import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const TOP = fileURLToPath(new URL("../..", import.meta.url));

/** A fenced block: "```js provider.mjs" has the language `js` and the mark `provider.mjs`. */
export interface Block {
  readonly language: string;
  readonly mark: string;
  readonly text: string;
}

/** `path` from the top of the repository. */
export function readPage(path: string): string {
  return readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
}

export function blocksOf(page: string): Block[] {
  return [...page.matchAll(/^```(\w+) ?(.*)\n([\s\S]*?)^```$/gm)].map(
    ([, language = "", mark = "", text = ""]) => ({ language, mark, text }),
  );
}

/** The page without its fenced blocks. */
export function proseOf(page: string): string {
  return page.replace(/^```[\s\S]*?^```$/gm, "");
}

/** The commands of a block of shell, without prompts' comments and empty lines. */
export function commandsOf({ text }: Block): string[] {
  return text
    .split("\n")
    .map((line) => line.replace(/\s+#.*$/, "").trim())
    .filter((line) => line !== "" && !line.startsWith("#"));
}

/** How GitHub names the anchor of a heading. */
export function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, "")
    .trim()
    .replace(/\s/g, "-");
}

export function anchorsOf(page: string): Set<string> {
  const headings = [...proseOf(page).matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) => heading);
  return new Set(headings.map(anchorOf));
}

/** What stands between `<!-- name -->` and `<!-- /name -->`. */
export function sectionOf(page: string, name: string): string {
  const [, rest = ""] = page.split(`<!-- ${name} -->\n`);
  const [body = ""] = rest.split(`<!-- /${name} -->`);
  return body.trimEnd();
}

/** The cells of each row of a table between these, without its head and without code marks. */
export function rowsOf(page: string, name: string): string[][] {
  const rows = sectionOf(page, name).split("\n").slice(2);
  return rows.map((row) =>
    row
      .replace(/^\| | \|$/g, "")
      .split(" | ")
      .map((cell) => cell.replaceAll("`", "")),
  );
}

export function withSection(page: string, name: string, body: string): string {
  return page.replace(
    new RegExp(`<!-- ${name} -->\\n[\\s\\S]*<!-- /${name} -->`),
    () => `<!-- ${name} -->\n${body}\n<!-- /${name} -->`,
  );
}
