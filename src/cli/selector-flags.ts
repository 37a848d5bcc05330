import { flag } from "./command.ts";
import type { Context } from "./context.ts";
import { commaPairs, type Pairs, pair } from "./flags.ts";

/** Of the commands that name one application and narrow it down. */
export interface SelectorFlags {
  readonly protocol?: string;
  readonly meta?: Pairs;
}

/** Not `ROLLCALL_META`: what a provider says of itself must not narrow down what it looks for. */
export const SELECTOR_FLAGS = [
  flag<string>({
    flags: "--protocol <name>",
    doc: "Only instances of this protocol",
    env: "ROLLCALL_SELECT_PROTOCOL",
  }),
  flag<Pairs>({
    flags: "--meta <key=value>",
    doc: "Only instances with this pair; may be given again",
    env: "ROLLCALL_SELECT_META",
    parse: pair,
    parseEnv: commaPairs,
  }),
];

export interface CliSelector {
  readonly namespace: string;
  readonly application: string;
  readonly protocol?: string;
  readonly meta?: Pairs;
}

export function selectorOf(
  { namespace }: Context,
  application: string,
  { protocol, meta }: SelectorFlags,
): CliSelector {
  return {
    namespace,
    application,
    ...(protocol !== undefined && { protocol }),
    ...(meta !== undefined && { meta }),
  };
}

/** For sentences: `web (http, idc=shanghai) in namespace default`. */
export function describeSelector({ application, protocol, meta, namespace }: CliSelector): string {
  const pairs = Object.entries(meta ?? {}).map(([key, value]) => `${key}=${value}`);
  const narrowed = [...(protocol === undefined ? [] : [protocol]), ...pairs].join(", ");
  return `${application}${narrowed === "" ? "" : ` (${narrowed})`} in namespace ${namespace}`;
}
