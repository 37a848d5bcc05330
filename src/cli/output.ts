import { styleText } from "node:util";
import type { Failure } from "./failure.ts";
import { type Column, printable, renderTable } from "./table.ts";
import type { Sink } from "./world.ts";

export const FORMATS = ["table", "json", "jsonl"] as const;
export type Format = (typeof FORMATS)[number];

/** Of every JSON value that is printed; a field may be added, none is renamed or taken away. */
export const API_VERSION = "v1";

export interface OutputOptions {
  readonly stdout: Sink;
  readonly stderr: Sink;
  readonly format: Format;
  /** No notes; errors are still told. */
  readonly isQuiet: boolean;
  readonly isVerbose: boolean;
  readonly hasColor: boolean;
}

/** A list, for people as a table and for programs as one value or a line an item. */
export interface Listing {
  /** Of the list, e.g. `InstanceList`. */
  readonly kind: string;
  /** Of one item of it, in jsonl. */
  readonly itemKind: string;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly items: readonly object[];
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly string[])[];
}

type Style = Parameters<typeof styleText>[0];

/** Data goes to stdout in the format that was asked for; all else goes to stderr. */
export class Output {
  readonly format: Format;
  readonly isQuiet: boolean;
  readonly isVerbose: boolean;
  readonly stderr: Sink;
  readonly #stdout: Sink;
  readonly #hasColor: boolean;

  constructor(options: OutputOptions) {
    this.format = options.format;
    this.isVerbose = options.isVerbose;
    this.stderr = options.stderr;
    this.#stdout = options.stdout;
    this.isQuiet = options.isQuiet;
    this.#hasColor = options.hasColor;
  }

  get isForPeople(): boolean {
    return this.format === "table";
  }

  /** A line for people. */
  line(text: string): void {
    this.#stdout.write(`${text}\n`);
  }

  /** Beside the data: what a person may want to know and a program does not read. */
  note(text: string): void {
    if (!this.isQuiet) {
      this.stderr.write(`${printable(text)}\n`);
    }
  }

  warn(text: string): void {
    this.stderr.write(`rollcall: ${printable(text)}\n`);
  }

  /** One JSON value; on one line in `jsonl`. */
  document(kind: string, fields: Readonly<Record<string, unknown>>): void {
    const value = { apiVersion: API_VERSION, kind, ...fields };
    const space = this.format === "json" ? 2 : 0;
    this.#stdout.write(`${JSON.stringify(value, null, space)}\n`);
  }

  list(listing: Listing): void {
    switch (this.format) {
      case "table":
        this.#stdout.write(this.#withHead(renderTable(listing.columns, listing.rows)));
        return;
      case "json":
        this.document(listing.kind, { ...listing.fields, items: listing.items });
        return;
      default:
        for (const item of listing.items) {
          this.document(listing.itemKind, { ...item });
        }
    }
  }

  style(style: Style, text: string): string {
    // Whether colours are wanted was decided before, for both streams.
    return this.#hasColor ? styleText(style, text, { validateStream: false }) : text;
  }

  failure(failure: Failure): void {
    if (this.isForPeople) {
      this.stderr.write(this.#failureLines(failure).join(""));
      return;
    }
    const { code, message, isRetryable: retryable, details, hint } = failure;
    const error = { code, message, retryable, details, ...(hint !== "" && { hint }) };
    this.stderr.write(`${JSON.stringify({ error })}\n`);
  }

  #failureLines(failure: Failure): string[] {
    const lines = [`${this.style("red", "rollcall:")} ${printable(failure.message)}\n`];
    if (failure.hint !== "") {
      lines.push(`hint: ${printable(failure.hint)}\n`);
    }
    if (this.isVerbose) {
      lines.push(`code: ${failure.code}\n`);
      for (let cause = failure.cause; cause !== undefined; cause = causeOf(cause)) {
        lines.push(`cause: ${printable(String(cause))}\n`);
      }
    }
    return lines;
  }

  #withHead(table: string): string {
    const end = table.indexOf("\n");
    return this.style("bold", table.slice(0, end)) + table.slice(end);
  }
}

function causeOf(error: unknown): unknown {
  return error instanceof Error ? (error.cause ?? undefined) : undefined;
}
