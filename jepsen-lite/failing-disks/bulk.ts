import { connect, type Registration, RollcallError } from "../../src/client/index.ts";

/** More than LevelDB holds in memory before it begins another log, and makes a table of the former. */
const BYTES = 20 * 1024 * 1024;
const WRITERS = 16;
const PAIRS = 3;
const VALUE_BYTES = 4_000;
const logger = { debug() {}, info() {}, warn() {}, error() {} };

/** Writes so much that every node makes new files; until then, or until `isEnough`. */
export async function bulk(urls: readonly string[], isEnough: () => boolean): Promise<void> {
  const client = await connect({ servers: urls, logger });
  const writesEach = Math.ceil(BYTES / (WRITERS * PAIRS * VALUE_BYTES));
  const write = async (writer: number): Promise<void> => {
    const key = { application: "bulk", protocol: "tcp", addr: `bulk:${writer + 1}` };
    let registration: Registration | null = null;
    for (let turn = 0; turn < writesEach && !isEnough(); turn += 1) {
      const value = String(turn % 10).repeat(VALUE_BYTES);
      const meta = Object.fromEntries(Array.from({ length: PAIRS }, (_, i) => [`m${i}`, value]));
      try {
        if (registration !== null) await registration.update({ meta });
        else registration = await client.provider.register({ ...key, persistent: true, meta });
      } catch (error) {
        if (!(error instanceof RollcallError)) throw error;
      }
    }
  };
  try {
    await Promise.all(Array.from({ length: WRITERS }, (_, writer) => write(writer)));
  } finally {
    await client.close({ timeoutMs: 1_000 });
  }
}
