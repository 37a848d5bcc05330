import { CALL_TIMEOUT_MS_MAX, INSTANCE_BYTES_MAX, INSTANCES_PER_COMMAND_MAX } from "../limits.ts";
import type { ClientMessage } from "../wire/messages.ts";
import {
  type Fields,
  instanceFieldBytes,
  isCount,
  isInstance,
  isKey,
  isObject,
  isRead,
  isSelector,
  KEY,
  keyBit,
  keyBytes,
  keyFieldBytes,
  REFUSED,
  setBytes,
} from "./hot-fields.ts";

/**
 * Says in a fraction of a microsecond what the schemas say in four, for the messages that come by
 * the ten thousand: true for exactly the valid ones among them. What it does not know or refuses
 * goes to the schemas, which also find the words. `test/schema/hot-check.test.ts` holds it to them.
 */
export function isHotMessage(value: unknown): value is ClientMessage {
  if (!isObject(value) || !Object.hasOwn(value, "type")) {
    return false;
  }
  switch (value["type"]) {
    case "register":
      return isRegister(value);
    case "update":
      return isUpdate(value);
    case "deregister":
      return isDeregister(value);
    case "get":
      return isGet(value);
    case "ack":
      return isAck(value);
    case "ping":
      return isPing(value);
    default:
      return false;
  }
}

// Bits of the fields that a message must have, beside those of a key.
const ID = 1;
const SEQ = 2;
const LOW = 4;
const WRITE = ID | SEQ | LOW;
const BODY = 64;
/** A field of an instance stands in the message itself, so no list of them may. */
const INLINE = 128;
/** Seen, and optional. */
const TIMEOUT = 256;

function isRegister(message: Fields): boolean {
  let seen = 0;
  let bytes = 0;
  for (const field in message) {
    const value = message[field];
    if (field === "type") {
      continue;
    }
    const bit = writeBit(field, value);
    if (bit === REFUSED) {
      return false;
    }
    if (bit !== 0) {
      seen |= bit;
    } else if (field === "instances") {
      if (!isListOf(value, isInstance)) {
        return false;
      }
      seen |= BODY;
    } else {
      const size = instanceFieldBytes(field, value);
      if (size === REFUSED) {
        return false;
      }
      seen |= keyBit(field) | INLINE;
      bytes += size;
    }
  }
  return bytes <= INSTANCE_BYTES_MAX && isOneOrMany(seen);
}

function isUpdate(message: Fields): boolean {
  let seen = 0;
  let bytes = 0;
  for (const field in message) {
    const value = message[field];
    if (field === "type") {
      continue;
    }
    const bit = writeBit(field, value);
    if (bit === REFUSED) {
      return false;
    }
    if (bit !== 0) {
      seen |= bit;
    } else if (field === "ifRevision") {
      if (!isCount(value)) {
        return false;
      }
    } else if (field === "key" || field === "set") {
      const size = field === "key" ? keyBytes(value) : setBytes(value);
      if (size === REFUSED) {
        return false;
      }
      seen |= field === "key" ? KEY : BODY;
      bytes += size;
    } else {
      return false;
    }
  }
  return bytes <= INSTANCE_BYTES_MAX && (seen & ~TIMEOUT) === (WRITE | KEY | BODY);
}

function isDeregister(message: Fields): boolean {
  let seen = 0;
  for (const field in message) {
    const value = message[field];
    if (field === "type") {
      continue;
    }
    const bit = writeBit(field, value);
    if (bit === REFUSED) {
      return false;
    }
    if (bit !== 0) {
      seen |= bit;
    } else if (field === "keys") {
      if (!isListOf(value, isKey)) {
        return false;
      }
      seen |= BODY;
    } else if (keyFieldBytes(field, value) === REFUSED) {
      return false;
    } else {
      seen |= keyBit(field) | INLINE;
    }
  }
  return isOneOrMany(seen);
}

function isGet(message: Fields): boolean {
  let seen = 0;
  for (const field in message) {
    const value = message[field];
    switch (field) {
      case "type":
        break;
      case "id":
      case "timeoutMs": {
        const bit = requestBit(field, value);
        if (bit === REFUSED) {
          return false;
        }
        seen |= bit;
        break;
      }
      case "selector":
        if (!isSelector(value)) {
          return false;
        }
        seen |= BODY;
        break;
      case "read":
        if (!isRead(value)) {
          return false;
        }
        break;
      default:
        return false;
    }
  }
  return (seen & ~TIMEOUT) === (ID | BODY);
}

function isAck(message: Fields): boolean {
  let seen = 0;
  for (const field in message) {
    if (field === "revision" && isCount(message[field])) {
      seen = 1;
    } else if (field !== "type") {
      return false;
    }
  }
  return seen === 1;
}

function isPing(message: Fields): boolean {
  let seen = 0;
  for (const field in message) {
    if (field === "id" && isCount(message[field])) {
      seen = 1;
    } else if (field !== "type") {
      return false;
    }
  }
  return seen === 1;
}

function isOneOrMany(seen: number): boolean {
  const fields = seen & ~TIMEOUT;
  return fields === (WRITE | BODY) || fields === (WRITE | KEY | INLINE);
}

/** 0 when `field` is not one of a request's own. */
function requestBit(field: string, value: unknown): number {
  if (field === "id") {
    return isCount(value) ? ID : REFUSED;
  }
  if (field === "timeoutMs") {
    return isCount(value) && value >= 1 && value <= CALL_TIMEOUT_MS_MAX ? TIMEOUT : REFUSED;
  }
  return 0;
}

/** 0 when `field` is not one of a write's own. */
function writeBit(field: string, value: unknown): number {
  switch (field) {
    case "seq":
      return isCount(value) && value >= 1 ? SEQ : REFUSED;
    case "low":
      return isCount(value) ? LOW : REFUSED;
    default:
      return requestBit(field, value);
  }
}

function isListOf(value: unknown, isItem: (item: unknown) => boolean): boolean {
  if (!Array.isArray(value) || value.length === 0 || value.length > INSTANCES_PER_COMMAND_MAX) {
    return false;
  }
  for (let index = 0; index < value.length; index++) {
    if (!isItem(value[index])) {
      return false;
    }
  }
  return true;
}
