import type * as z from "zod";
import {
  INSTANCES_PER_COMMAND_MAX,
  META_PAIRS_MAX,
  SUBSCRIBES_PER_REQUEST_MAX,
} from "../limits.ts";

/** No object of a valid message has more fields; most have them as pairs of a meta. */
const FIELDS_MAX = META_PAIRS_MAX;
/** No list of a valid message has more items. */
const LIST_MAX = Math.max(INSTANCES_PER_COMMAND_MAX, SUBSCRIBES_PER_REQUEST_MAX);

type Fields = Readonly<Record<string, unknown>>;

/**
 * What is enough of a message to find its first fault, or that it has none. The schemas look at all
 * of it and keep every complaint: a megabyte of wrong values would hold the node for half a second
 * (measured), and only the first is told. So what is far too wide is cut, which leaves it too wide;
 * of a list, what is right is looked at once, and what comes behind the first wrong item not at all.
 *
 * @param items the schemas of the lists that a message may have, by field
 */
export function narrowed(message: Fields, items: Readonly<Record<string, z.ZodType>>): Fields {
  const cut = cutWide(message) as Record<string, unknown>;
  for (const [field, schema] of Object.entries(items)) {
    const list = Object.hasOwn(cut, field) ? cut[field] : undefined;
    if (Array.isArray(list) && list.length <= LIST_MAX) {
      const wrong = list.findIndex((item) => !schema.safeParse(item).success);
      cut[field] = list.slice(0, wrong === -1 ? 1 : wrong + 1);
    }
  }
  return cut;
}

/** A copy; an own key `__proto__` stays one. */
function cutWide(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.slice(0, LIST_MAX + 1).map(cutWide);
  }
  if (typeof value !== "object" || value === null) {
    return value;
  }
  const fields: [string, unknown][] = [];
  for (const field in value) {
    if (fields.length > FIELDS_MAX) {
      break;
    }
    fields.push([field, cutWide((value as Fields)[field])]);
  }
  return Object.fromEntries(fields);
}
