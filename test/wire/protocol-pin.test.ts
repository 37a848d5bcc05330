import { readFileSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import * as z from "zod";
import * as client from "../../src/schema/client-schemas.ts";
import * as node from "../../src/schema/node-schemas.ts";
import { PROTOCOL_VERSION } from "../../src/wire/messages.ts";

const file = new URL("golden/protocol.json", import.meta.url);
const docs = new URL("../../docs/protocol.md", import.meta.url);

const schemas = {
  clientMessage: z.toJSONSchema(client.clientMessage),
  nodeMessage: z.toJSONSchema(node.nodeMessage),
  plainRequest: z.toJSONSchema(client.plainRequest),
  plainAnswer: z.toJSONSchema(node.plainAnswer),
  plainPush: z.toJSONSchema(node.plainPush),
};

const whatToDo = `The messages between clients and nodes changed.
1. If an older end could misread them, raise PROTOCOL_VERSION in src/wire/messages.ts and go on serving the version before.
2. Add a line to "Versions and history" in docs/protocol.md, and describe the change where it belongs there.
3. Run this test with UPDATE_GOLDEN=1 and commit test/wire/golden/protocol.json.`;

describe("the protocol", () => {
  if (process.env["UPDATE_GOLDEN"] === "1") {
    writeFileSync(file, `${JSON.stringify({ version: PROTOCOL_VERSION, schemas }, null, 2)}\n`);
  }
  const pinned = JSON.parse(readFileSync(file, "utf8"));

  it("is the one that is pinned for this version", () => {
    expect({ version: PROTOCOL_VERSION, schemas }, whatToDo).toEqual(pinned);
  });

  it("has a line in the history of docs/protocol.md", () => {
    expect(readFileSync(docs, "utf8"), whatToDo).toMatch(
      new RegExp(`^\\| ${PROTOCOL_VERSION} \\|`, "m"),
    );
  });
});
