import stringWidth from "string-width";

export interface Column {
  readonly head: string;
  /** Default `left`. */
  readonly align?: "left" | "right";
}

const GAP = "  ";

/** Columns without frames, as wide as their widest cell; every line ends in a newline. */
export function renderTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
): string {
  const lines = [columns.map((column) => column.head), ...rows.map((row) => row.map(printable))];
  const widths = columns.map((_, at) =>
    lines.reduce((most, line) => Math.max(most, stringWidth(line[at] ?? "")), 0),
  );
  return lines.map((line) => `${renderLine(columns, widths, line)}\n`).join("");
}

function renderLine(
  columns: readonly Column[],
  widths: readonly number[],
  cells: readonly string[],
): string {
  const padded = columns.map((column, at) => {
    const cell = cells[at] ?? "";
    const space = " ".repeat((widths[at] ?? 0) - stringWidth(cell));
    return column.align === "right" ? space + cell : cell + space;
  });
  return padded.join(GAP).trimEnd();
}

/** What others registered must not move the reader's cursor or colour their terminal. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu, (character) => {
    const code = (character.codePointAt(0) ?? 0).toString(16);
    return code.length <= 2 ? `\\x${code.padStart(2, "0")}` : `\\u${code.padStart(4, "0")}`;
  });
}
