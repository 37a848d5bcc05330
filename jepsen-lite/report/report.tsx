import { render } from "preact-render-to-string";
import type { RunFiles } from "../chaos/run-directory.ts";
import { type Inlined, Page } from "./page.tsx";
import { summaryOf } from "./summary.ts";

/** One page of all that the directory of a run says; it asks for nothing else, on any network. */
export function reportOf(files: RunFiles, inlined: Inlined): string {
  return `<!doctype html>\n${render(<Page summary={summaryOf(files)} {...inlined} />)}\n`;
}
