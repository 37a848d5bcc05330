import { createHash } from "node:crypto";
import type { Refusal } from "../errors.ts";
import { CALL_TIMEOUT_MS_DEFAULT, CALL_TIMEOUT_MS_MAX } from "../limits.ts";
import type { Reply } from "../registry/command.ts";
import type { InstanceContent } from "../registry/instance.ts";
import type { ClientOutput, ReadConsistency, WriteCommand } from "../replica/inputs.ts";
import { unreachable } from "../util/assert.ts";
import type { ClientCodec, Part } from "../wire/client-codec.ts";
import { metaToPairs, toInstanceKey, toInstanceSpec } from "../wire/endpoint.ts";
import type {
  Bye,
  DeregisterMessage,
  ErrorBody,
  ReadBody,
  RegisterMessage,
  ReplyMessage,
  UpdateMessage,
} from "../wire/messages.ts";
import { encodeDelta, encodeReadReply, encodeSnapshot } from "../wire/node-encoder.ts";

export type WriteMessage = RegisterMessage | UpdateMessage | DeregisterMessage | Bye;

/** Only this goes further in: neither the log nor another node ever sees a client's secret. */
export function hashSecret(secret: string): string {
  return createHash("sha256").update(secret, "utf8").digest("hex");
}

export function toTimeoutMs(timeoutMs: number | undefined): number {
  return Math.min(timeoutMs ?? CALL_TIMEOUT_MS_DEFAULT, CALL_TIMEOUT_MS_MAX);
}

export function toWriteCommand(message: WriteMessage): WriteCommand {
  const { seq, low: floor } = message;
  switch (message.type) {
    case "register": {
      const bodies = "instances" in message ? message.instances : [message];
      return { type: "register", seq, floor, instances: bodies.map(toInstanceSpec) };
    }
    case "update":
      return {
        type: "update",
        seq,
        floor,
        key: toInstanceKey(message.key),
        set: toContent(message.set),
        ifRevision: message.ifRevision ?? null,
      };
    case "deregister": {
      const bodies = "keys" in message ? message.keys : [message];
      return { type: "deregister", seq, floor, keys: bodies.map(toInstanceKey) };
    }
    case "bye":
      return { type: "closeSession", seq, floor };
    default:
      return unreachable(message);
  }
}

function toContent(set: UpdateMessage["set"]): Partial<InstanceContent> {
  const { meta, weight, version, location, status, reason } = set;
  return {
    ...(meta === undefined ? {} : { meta: metaToPairs(meta) }),
    ...(weight === undefined ? {} : { weight }),
    ...(version === undefined ? {} : { version }),
    ...(location === undefined ? {} : { location }),
    ...(status === undefined ? {} : { status }),
    ...(reason === undefined ? {} : { reason }),
  };
}

export function toConsistency(read: ReadBody | undefined): ReadConsistency {
  if (read === undefined || read === "linearizable") {
    return { type: "linearizable" };
  }
  return "atLeast" in read
    ? { type: "atLeast", revision: read.atLeast }
    : { type: "stale", maxAgeMs: read.staleMs };
}

export function toErrorBody(refusal: Refusal): ErrorBody {
  const { code, message, field, limit, retryAfterMs } = refusal;
  return {
    code,
    message,
    ...(field === undefined ? {} : { field }),
    ...(limit === undefined ? {} : { limit }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
}

export function toReply(id: number, reply: Reply): ReplyMessage {
  const { revision } = reply;
  return reply.ok
    ? { type: "reply", id, ok: true, revision }
    : { type: "reply", id, ok: false, revision, error: toErrorBody(reply) };
}

export function toRefusal(id: number, refusal: Refusal): ReplyMessage {
  return { type: "reply", id, ok: false, error: toErrorBody(refusal) };
}

/** An output of the replica as the bytes of a message to the client. */
export function encodeOutput(codec: ClientCodec, output: ClientOutput): Part {
  switch (output.type) {
    case "writeReply":
      return codec.encode(toReply(output.request, output.reply));
    case "readReply":
      return encodeReadReply(codec, output.request, output.answer);
    case "refused":
      return codec.encode(toRefusal(output.request, output.refusal));
    case "sessionState":
      return codec.encode({ type: "session", id: output.session, ...output.state });
    case "snapshot":
      return encodeSnapshot(codec, output.watch, output.body);
    case "delta":
      return encodeDelta(codec, output.watch, output.body);
    case "mark":
      return codec.encode({ type: "mark", revision: output.revision });
    case "pong":
      return codec.encode({
        type: "pong",
        id: output.request,
        confirmed: output.confirmed,
        revision: output.revision,
        ...(output.ageMs === null ? {} : { leaderAgeMs: output.ageMs }),
        ...output.owned,
      });
    default:
      return unreachable(output);
  }
}
