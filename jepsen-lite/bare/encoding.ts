import { Packr } from "msgpackr/pack";

/** How messages become frames; the subprotocol names it. */
export interface Encoding {
  readonly name: string;
  readonly protocol: string;
  encode(message: unknown): string | Uint8Array;
  decode(frame: Buffer): unknown;
}

// As a client in another language has it: plain maps, no extension types.
const packr = new Packr({ useRecords: false, variableMapSize: true });

export const ENCODINGS: readonly Encoding[] = [
  {
    name: "json",
    protocol: "rollcall.v1.json",
    encode: (message) => JSON.stringify(message),
    decode: (frame) => JSON.parse(frame.toString("utf8")),
  },
  {
    name: "msgpack",
    protocol: "rollcall.v1.msgpack",
    encode: (message) => packr.pack(message),
    decode: (frame) => packr.unpack(frame),
  },
];
