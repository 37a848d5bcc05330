import * as z from "zod";
import { ERRORS, type ErrorCode } from "../errors.ts";
import { MEMBERS_MAX } from "../limits.ts";
import type { PeerAnswer, PeerHello } from "../wire/messages.ts";
import { addr, count, type Equal, hex, list, name } from "./fields.ts";
import { toRefusal } from "./refusal.ts";

// Unknown fields are dropped, not refused: in a rolling upgrade the newer node says more.
const incarnation = hex(16);
const codes = Object.keys(ERRORS) as [ErrorCode, ...ErrorCode[]];
const member = z.object({ name, incarnation });
/** Empty where that name has not been heard yet. */
const heard = z.object({ name, incarnation: z.union([incarnation, z.literal("")]) });

const helloShape = {
  protocol: count,
  name,
  incarnation,
  advertise: addr,
  cluster: z
    .strictObject({
      clusterId: hex(32),
      epoch: count,
      members: list(member, 1, MEMBERS_MAX, "MEMBERS_MAX"),
    })
    .nullable(),
  memberAsOf: count,
  view: list(heard, 0, MEMBERS_MAX, "MEMBERS_MAX"),
};

export const peerHello = z.object({ type: z.literal("peerHello"), ...helloShape });
const peerWelcome = z.object({ type: z.literal("peerWelcome"), ...helloShape });
const peerRefused = z.object({
  type: z.literal("peerRefused"),
  code: z.enum(codes),
  message: z.string(),
  asOf: z.exactOptional(count),
  epoch: z.exactOptional(count),
});
export const peerAnswer = z.union([peerWelcome, peerRefused]);

true satisfies Equal<z.output<typeof peerHello>, PeerHello>;
true satisfies Equal<z.output<typeof peerAnswer>, PeerAnswer>;

/** Of what `decodePeerHello` returned; throws an Error that names the field. */
export function checkPeerHello(value: unknown): PeerHello {
  return checked<PeerHello>(peerHello, value);
}

/** Of what `decodePeerHello` returned for the answer to a hello; throws an Error that names the field. */
export function checkPeerAnswer(value: unknown): PeerAnswer {
  const isRefused =
    typeof value === "object" && value !== null && "type" in value && value.type === "peerRefused";
  return checked<PeerAnswer>(isRefused ? peerRefused : peerWelcome, value);
}

function checked<Message>(schema: z.ZodType, value: unknown): Message {
  const parsed = schema.safeParse(value);
  if (!parsed.success) {
    throw new Error(`in the handshake between nodes: ${toRefusal(parsed.error, value).message}`);
  }
  return parsed.data as Message;
}
