import type { Listing, Output } from "./output.ts";
import { printable, renderTable } from "./table.ts";
import type { Verdict } from "./verdict.ts";

/** What `rollcall doctor` has found. */
export interface Diagnosis extends Listing {
  readonly verdict: Verdict;
  /** What is well, where not all is. */
  readonly alsoWell?: string | null;
}

/** What was found, and the verdict: for programs as one value, or as the last line. */
export function tellDiagnosis(output: Output, diagnosis: Diagnosis): void {
  const { kind, itemKind, fields, items, columns, rows, verdict } = diagnosis;
  switch (output.format) {
    case "table":
      output.line(renderTable(columns, rows));
      for (const line of verdictLines(verdict, output)) {
        output.line(line);
      }
      if (verdict.isBroken && diagnosis.alsoWell != null) {
        output.line(`${output.style("green", "well:")} ${printable(diagnosis.alsoWell)}`);
      }
      return;
    case "json":
      output.document(kind, { ...fields, verdict, items });
      return;
    default:
      for (const item of items) {
        output.document(itemKind, { ...item });
      }
      output.document("Verdict", { ...fields, ...verdict });
  }
}

function verdictLines({ text, isBroken, findings }: Verdict, output: Output): readonly string[] {
  const head = output.style(isBroken ? "red" : "green", isBroken ? "not well:" : "well:");
  const [first, ...others] = findings;
  const rest = isBroken ? others : findings;
  return [
    `${head} ${printable(text)}`,
    ...(isBroken && first !== undefined ? [`  next: ${first.next}`] : []),
    ...rest.flatMap((finding) => [
      `${output.style("yellow", finding.level === "broken" ? "not well:" : "look at:")} ${printable(finding.text)}`,
      `  next: ${finding.next}`,
    ]),
  ];
}
