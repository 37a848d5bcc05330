import { describe, expect, test } from "vitest";
import { AddressBook } from "../../src/server/address-book.ts";
import { temporaryDirectory } from "../storage/fixture.ts";

describe("where a peer is dialled", () => {
  async function book(overrides: readonly { name: string; address: string }[]) {
    return await AddressBook.open({
      dataDir: await temporaryDirectory(),
      self: { name: "n1", address: "10.0.0.1:7420" },
      overrides,
      configured: [{ name: "n2", address: "10.0.0.2:7420" }],
      logger: { debug() {}, info() {}, warn() {}, error() {} },
    });
  }

  test("is where members are said to be, or where a guest says that it is", async () => {
    const addresses = await book([]);
    expect(addresses.dialable("n2")).toEqual(["10.0.0.2:7420"]);
    expect(addresses.dialable("n9", "10.0.0.9:7420")).toEqual(["10.0.0.9:7420"]);
  });

  test("is where --peer says, and nowhere else, whatever the peer says", async () => {
    const addresses = await book([
      { name: "n2", address: "127.0.0.1:1" },
      { name: "n9", address: "127.0.0.1:2" },
    ]);
    addresses.told([{ name: "n2", address: "10.0.0.3:7420" }]);
    expect(addresses.dialable("n2")).toEqual(["127.0.0.1:1"]);
    expect(addresses.dialable("n9", "10.0.0.9:7420")).toEqual(["127.0.0.1:2"]);
  });
});
