/** As much of EDN as a history is written in, read back. A keyword is `:name`, a map a `Map`. */
export type Read = null | number | string | Read[] | Map<string, Read>;

const TOKEN = /\s*(?:,\s*)*([[\]{}]|"(?:\\.|[^"\\])*"|:[a-z][a-z0-9-]*|nil|-?\d+)/y;

export function readEdn(text: string): Read {
  TOKEN.lastIndex = 0;
  const value = valueIn(text, next(text));
  if (TOKEN.lastIndex !== text.length) throw new Error(`more than a value: ${text}`);
  return value;
}

function next(text: string): string {
  const at = TOKEN.lastIndex;
  const [, token] = TOKEN.exec(text) ?? [];
  if (token === undefined) throw new Error(`no EDN at ${at}: ${text.slice(at, at + 40)}`);
  return token;
}

function valueIn(text: string, token: string): Read {
  if (token === "nil") return null;
  if (token === "[") return [...until(text, "]")];
  if (token === "{") return mapOf([...until(text, "}")]);
  if (token.startsWith('"')) return JSON.parse(token) as string;
  if (token.startsWith(":")) return token;
  if (/^-?\d+$/.test(token)) return Number(token);
  throw new Error(`${token} closes nothing`);
}

function* until(text: string, end: string): Generator<Read> {
  for (let token = next(text); token !== end; token = next(text)) yield valueIn(text, token);
}

function mapOf(values: readonly Read[]): Map<string, Read> {
  const map = new Map<string, Read>();
  for (let i = 0; i < values.length; i += 2) {
    const [key, value] = [values[i], values[i + 1]];
    if (typeof key !== "string" || !key.startsWith(":") || value === undefined || map.has(key)) {
      throw new Error(`no map: ${String(key)}`);
    }
    map.set(key, value);
  }
  return map;
}
