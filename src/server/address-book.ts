import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "../env/env.ts";
import { type NamedAddress, parseAddress } from "./address.ts";

const FILE = "addresses.json";

export interface AddressBookOptions {
  readonly dataDir: string;
  readonly self: NamedAddress;
  /** `--peer`: the only place where that peer is dialled, so that a test can stand in between. */
  readonly overrides: readonly NamedAddress[];
  /** `--bootstrap` of this start; its addresses hold even where its birth is long past. */
  readonly configured: readonly NamedAddress[];
  readonly logger: Logger;
}

/**
 * Where members are. An address is an attribute that may change, never an identity: whoever answers
 * is compared by incarnation. What peers said of themselves is kept in a file, so that a node
 * started without `--bootstrap` finds them again; losing the file loses nothing else.
 */
export class AddressBook {
  readonly #options: AddressBookOptions;
  /** By the configuration. */
  readonly #told = new Map<string, string>();
  readonly #learnt = new Map<string, string>();
  #saving: Promise<void> = Promise.resolve();

  private constructor(options: AddressBookOptions) {
    this.#options = options;
  }

  static async open(options: AddressBookOptions): Promise<AddressBook> {
    const book = new AddressBook(options);
    try {
      const stored: unknown = JSON.parse(await readFile(join(options.dataDir, FILE), "utf8"));
      for (const [name, address] of Object.entries(stored ?? {})) {
        if (typeof address === "string" && parseAddress(address) !== null) {
          book.#learnt.set(name, address);
        }
      }
    } catch {
      // Absent at the first start; unreadable is as good as absent.
    }
    return book;
  }

  /** Places to dial a peer at, best first; `guestAt`: of one in no configuration, by its own word. */
  dialable(name: string, guestAt: string | null = null): readonly string[] {
    const { overrides, configured } = this.#options;
    const only = find(overrides, name) ?? guestAt;
    if (only !== null) {
      return [only];
    }
    const known = [
      this.#told.get(name) ?? null,
      find(configured, name),
      this.#learnt.get(name) ?? null,
    ];
    return [...new Set(known.filter((address) => address !== null))];
  }

  /** Of whoever was ever heard of, as far as it is still written down. */
  get names(): readonly string[] {
    const { overrides, configured } = this.#options;
    const listed = [...overrides, ...configured].map(({ name }) => name);
    return [...new Set([...this.#told.keys(), ...listed, ...this.#learnt.keys()])];
  }

  /** Where a member serves clients, by its own word, else as configured; null where nobody said. */
  serving(name: string): string | null {
    const { self, configured } = this.#options;
    if (name === self.name) {
      return self.address;
    }
    return this.#learnt.get(name) ?? this.#told.get(name) ?? find(configured, name);
  }

  /** What the configuration says, which may be nothing: an empty address. */
  told(members: readonly NamedAddress[]): void {
    this.#told.clear();
    for (const { name, address } of members) {
      if (address !== "") {
        this.#told.set(name, address);
      }
    }
  }

  heard(name: string, advertise: string): void {
    if (parseAddress(advertise) === null || this.#learnt.get(name) === advertise) {
      return;
    }
    this.#learnt.set(name, advertise);
    this.#saving = this.#saving.then(() => this.#save());
  }

  /** Resolves when the file is written. */
  settled(): Promise<void> {
    return this.#saving;
  }

  async #save(): Promise<void> {
    const { dataDir, logger } = this.#options;
    const path = join(dataDir, FILE);
    try {
      const text = JSON.stringify(Object.fromEntries([...this.#learnt].sort()));
      await writeFile(`${path}.new`, text);
      await rename(`${path}.new`, path);
    } catch (error) {
      logger.warn({ err: error }, `${path} cannot be written`);
    }
  }
}

function find(list: readonly NamedAddress[], name: string): string | null {
  return list.find((member) => member.name === name)?.address ?? null;
}
