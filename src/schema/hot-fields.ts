import {
  INSTANCE_BYTES_MAX,
  META_KEY_BYTES_MAX,
  META_PAIRS_MAX,
  META_VALUE_BYTES_MAX,
  NAME_BYTES_MAX,
  REASON_BYTES_MAX,
  WEIGHT_MAX,
} from "../limits.ts";
import { isAddr, isPrintable, isWellFormed, utf8Bytes } from "./text-rules.ts";

export type Fields = Readonly<Record<string, unknown>>;

/** Not a number of bytes: the field is refused. */
export const REFUSED = -1;

// Bits of the fields that a key must have.
const APPLICATION = 8;
const PROTOCOL = 16;
const ADDR = 32;
export const KEY = APPLICATION | PROTOCOL | ADDR;

export function isInstance(value: unknown): boolean {
  if (!isObject(value)) {
    return false;
  }
  let seen = 0;
  let bytes = 0;
  for (const field in value) {
    const size = instanceFieldBytes(field, value[field]);
    if (size === REFUSED) {
      return false;
    }
    seen |= keyBit(field);
    bytes += size;
  }
  return seen === KEY && bytes <= INSTANCE_BYTES_MAX;
}

/** The bytes that a field adds to its instance, REFUSED when it is unknown or wrong. */
export function instanceFieldBytes(field: string, value: unknown): number {
  switch (field) {
    case "namespace":
    case "application":
    case "protocol":
    case "version":
      return nameBytes(value);
    case "addr":
      return typeof value === "string" && isAddr(value) ? value.length : REFUSED;
    case "meta":
      return metaBytes(value);
    case "weight":
      return isWeight(value) ? 0 : REFUSED;
    case "location":
      return locationBytes(value);
    case "status":
      return isStatus(value) ? 0 : REFUSED;
    case "reason":
      return reasonBytes(value);
    case "persistent":
      return typeof value === "boolean" ? 0 : REFUSED;
    default:
      return REFUSED;
  }
}

export function setBytes(value: unknown): number {
  if (!isObject(value)) {
    return REFUSED;
  }
  let bytes = 0;
  for (const field in value) {
    const size = setFieldBytes(field, value[field]);
    if (size === REFUSED) {
      return REFUSED;
    }
    bytes += size;
  }
  return bytes;
}

function setFieldBytes(field: string, value: unknown): number {
  switch (field) {
    case "version":
    case "location":
    case "reason":
      return value === null ? 0 : instanceFieldBytes(field, value);
    case "meta":
    case "weight":
    case "status":
      return instanceFieldBytes(field, value);
    default:
      return REFUSED;
  }
}

export function isKey(value: unknown): boolean {
  return keyBytes(value) !== REFUSED;
}

export function keyBytes(value: unknown): number {
  if (!isObject(value)) {
    return REFUSED;
  }
  let seen = 0;
  let bytes = 0;
  for (const field in value) {
    const size = keyFieldBytes(field, value[field]);
    if (size === REFUSED) {
      return REFUSED;
    }
    seen |= keyBit(field);
    bytes += size;
  }
  return seen === KEY ? bytes : REFUSED;
}

export function keyFieldBytes(field: string, value: unknown): number {
  return field === "namespace" || keyBit(field) !== 0 ? instanceFieldBytes(field, value) : REFUSED;
}

export function isSelector(value: unknown): boolean {
  if (!isObject(value)) {
    return false;
  }
  let names = 0;
  for (const field in value) {
    switch (field) {
      case "provider":
      case "application":
        names += 1;
        if (nameBytes(value[field]) === REFUSED) {
          return false;
        }
        break;
      case "namespace":
      case "protocol":
        if (nameBytes(value[field]) === REFUSED) {
          return false;
        }
        break;
      case "meta":
        if (metaBytes(value[field]) === REFUSED) {
          return false;
        }
        break;
      default:
        return false;
    }
  }
  return names === 1;
}

export function isRead(value: unknown): boolean {
  if (value === "linearizable") {
    return true;
  }
  if (!isObject(value)) {
    return false;
  }
  let fields = 0;
  for (const field in value) {
    fields += 1;
    const of = value[field];
    if (field === "atLeast" ? !isCount(of) : field !== "staleMs" || !(of === null || isCount(of))) {
      return false;
    }
  }
  return fields === 1;
}

export function keyBit(field: string): number {
  switch (field) {
    case "application":
      return APPLICATION;
    case "protocol":
      return PROTOCOL;
    case "addr":
      return ADDR;
    default:
      return 0;
  }
}

function nameBytes(value: unknown): number {
  if (typeof value !== "string" || value === "") {
    return REFUSED;
  }
  const bytes = utf8Bytes(value);
  return bytes <= NAME_BYTES_MAX && isPrintable(value) ? bytes : REFUSED;
}

function reasonBytes(value: unknown): number {
  if (typeof value !== "string") {
    return REFUSED;
  }
  const bytes = utf8Bytes(value);
  return bytes <= REASON_BYTES_MAX && isPrintable(value) ? bytes : REFUSED;
}

function metaBytes(value: unknown): number {
  if (!isObject(value)) {
    return REFUSED;
  }
  let pairs = 0;
  let bytes = 0;
  for (const key in value) {
    const text = value[key];
    pairs += 1;
    if (pairs > META_PAIRS_MAX || typeof text !== "string" || key === "" || key === "__proto__") {
      return REFUSED;
    }
    const ofKey = utf8Bytes(key);
    const ofText = utf8Bytes(text);
    if (ofKey > META_KEY_BYTES_MAX || ofText > META_VALUE_BYTES_MAX) {
      return REFUSED;
    }
    if (!isPrintable(key) || !isWellFormed(text)) {
      return REFUSED;
    }
    bytes += ofKey + ofText;
  }
  return bytes;
}

function locationBytes(value: unknown): number {
  if (!isObject(value)) {
    return REFUSED;
  }
  let bytes = 0;
  for (const field in value) {
    if (field !== "region" && field !== "zone" && field !== "campus") {
      return REFUSED;
    }
    const size = nameBytes(value[field]);
    if (size === REFUSED) {
      return REFUSED;
    }
    bytes += size;
  }
  return bytes;
}

function isWeight(value: unknown): boolean {
  return isCount(value) && value <= WEIGHT_MAX;
}

function isStatus(value: unknown): boolean {
  return value === "up" || value === "down" || value === "draining";
}

export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

export function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
