import { Stage } from "./stage.ts";

/**
 * A transcript is paragraphs with an empty line between them: remarks (`# …`), and scenes, which
 * are commands, a line `----`, and what the cluster said.
 */
interface Paragraph {
  readonly commands: readonly string[];
  readonly said: string;
}

const RULE = "----";

function paragraphOf(text: string): Paragraph | string {
  if (text.startsWith("#")) return text;
  const [head = "", ...rest] = text.split(`\n${RULE}`);
  return { commands: head.split("\n"), said: rest.join(`\n${RULE}`) };
}

function paragraphsOf(text: string): (Paragraph | string)[] {
  return text
    .trim()
    .split(/\n{2,}/)
    .map(paragraphOf);
}

/** Every command line of a transcript. */
export function commandsIn(text: string): string[] {
  return paragraphsOf(text).flatMap((part) => (typeof part === "string" ? [] : part.commands));
}

/** The transcript with what the cluster says today. */
export function played(text: string): string {
  const stage = new Stage();
  const parts = paragraphsOf(text).map((part) => {
    if (typeof part === "string") return part;
    const said = part.commands.flatMap((command) => stage.play(command));
    return [...part.commands, RULE, ...(said.length > 0 ? said : ["(nothing)"])].join("\n");
  });
  return `${parts.join("\n\n")}\n`;
}
