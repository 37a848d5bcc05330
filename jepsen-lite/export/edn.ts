/** What a history in EDN is made of; a `Map` keeps the order of its entries. */
export type Edn = null | number | string | Keyword | readonly Edn[] | ReadonlyMap<Keyword, Edn>;

export class Keyword {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

/** On one line. Strings are escaped as in JSON, of which EDN knows all that JSON.stringify writes. */
export function ednText(value: Edn): string {
  if (value === null) {
    return "nil";
  }
  if (value instanceof Keyword) {
    return `:${value.name}`;
  }
  if (typeof value === "number" || typeof value === "string") {
    return JSON.stringify(value);
  }
  if (value instanceof Map) {
    const entries = [...value].map(([key, of]) => `${ednText(key)} ${ednText(of)}`);
    return `{${entries.join(", ")}}`;
  }
  return `[${[...(value as readonly Edn[])].map(ednText).join(" ")}]`;
}
