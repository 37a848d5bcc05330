import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  BackupEncoder,
  BackupError,
  type BackupHeader,
  type BackupRecord,
  readBackup,
} from "../../src/storage/backup-file.ts";

const HEADER: BackupHeader = {
  ...{ clusterId: "00112233445566778899aabbccddeeff", epoch: 1, index: 70, term: 3 },
  ...{ revision: 41, digest: "5bdfaef232a24785", agreedIndex: 64, node: "n2", version: "0.1.0" },
  ...{ takenAtMs: 1_700_000_000_000, ageMs: null, instances: 12, sessions: 3 },
  members: [
    { name: "n1", id: "a1b2c3d4e5f60718", address: "10.0.0.1:7420", membership: "voter" },
    { name: "n2", id: "0123456789abcdef", address: null, membership: "learner" },
  ],
};

function backupOf(chunks: readonly Uint8Array[]): Buffer {
  const encoder = new BackupEncoder();
  const parts = [encoder.begin(HEADER), ...chunks.map((chunk) => encoder.chunk(chunk))];
  return Buffer.concat([...parts, encoder.end()]);
}

/** In pieces of `size` bytes. */
async function* pieces(bytes: Buffer, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) {
    yield bytes.subarray(at, at + size);
  }
}

async function read(bytes: Buffer, size = 64): Promise<BackupRecord[]> {
  const records: BackupRecord[] = [];
  for await (const record of readBackup(pieces(bytes, size))) {
    records.push(record);
  }
  return records;
}

async function faultOf(bytes: Buffer): Promise<string> {
  try {
    await read(bytes);
    return "none";
  } catch (error) {
    expect(error).toBeInstanceOf(BackupError);
    return error instanceof BackupError ? error.fault : "";
  }
}

const SMALL = backupOf([Buffer.from("one"), Buffer.from("two"), Buffer.alloc(200, 7)]);

describe("a backup file", () => {
  it("gives back what was written, in pieces of any size", async () => {
    const chunk = fc.uint8Array({ maxLength: 300 });
    await fc.assert(
      fc.asyncProperty(fc.array(chunk), fc.integer({ min: 1, max: 500 }), async (chunks, size) => {
        const records = await read(backupOf(chunks), size);
        expect(records[0]).toEqual({ type: "header", header: HEADER });
        const found = records.flatMap((record) => (record.type === "chunk" ? [record.data] : []));
        expect(found.map((data) => [...data])).toEqual(chunks.map((data) => [...data]));
        const bytes = chunks.reduce((sum, { length }) => sum + length, 0);
        const end = {
          chunks: chunks.length,
          bytes,
          sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
        };
        expect(records.at(-1)).toEqual({ type: "end", end });
      }),
      { numRuns: 50 },
    );
  });

  it("is cut off, wherever its end is missing", async () => {
    for (let length = 0; length < SMALL.length; length += 1) {
      expect(await faultOf(SMALL.subarray(0, length)), `${length} bytes`).toBe("truncated");
    }
  });

  it("is refused with any one bit of it changed", async () => {
    for (let at = 0; at < SMALL.length; at += 1) {
      const changed = Buffer.from(SMALL);
      changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
      expect(await faultOf(changed), `byte ${at}`).not.toBe("none");
    }
  });

  it("is not taken for one where it is something else, or of a later version", async () => {
    expect(await faultOf(Buffer.from("PK\u0003\u0004 and so on, and so on"))).toBe("foreign");
    const later = Buffer.from(SMALL);
    later.writeUInt32BE(2, "rollcall snapshot\n".length);
    expect(await faultOf(later)).toBe("newer");
  });

  it("does not lack or repeat a record that is right by itself", async () => {
    const encoder = new BackupEncoder();
    const begin = encoder.begin(HEADER);
    const chunk = encoder.chunk(Buffer.from("one"));
    const end = encoder.end();
    expect(await faultOf(Buffer.concat([begin, chunk, end]))).toBe("none");
    expect(await faultOf(Buffer.concat([begin, end]))).toBe("damaged");
    expect(await faultOf(Buffer.concat([begin, chunk, chunk, end]))).toBe("damaged");
    expect(await faultOf(Buffer.concat([begin, chunk, end, Buffer.from("!")]))).toBe("damaged");
  });
});
