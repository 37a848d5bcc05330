/** A promise that was broken; the run ends with it. */
export class Violation extends Error {
  override readonly name = "Violation";
}

export function demand(condition: boolean, what: () => string): asserts condition {
  if (!condition) {
    throw new Violation(what());
  }
}
