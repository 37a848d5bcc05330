import { faultOf } from "./campaign.ts";

/** The record that says whose database it is stays synced: a start refuses one without. */
export const entriesUnsynced = [
  faultOf(
    "storage",
    "level-store.js",
    "(only.value), { sync: true }",
    "(only.value), { sync: only.key[0] === 0x6d }",
  ),
  faultOf(
    "storage",
    "level-store.js",
    "(operation.key) }), { sync: true }",
    "(operation.key) }), { sync: false }",
  ),
];
/** Nothing says how far the log was. */
export const noMark = [
  faultOf(
    "storage",
    "durable-file.js",
    "await overwrite(",
    'step.file === "mark" || await overwrite(',
  ),
];
