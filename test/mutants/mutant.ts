/** A fault that is put into a copy of the sources, to see that somebody notices. */
export interface Mutant {
  readonly name: string;
  /** The known bug of which system, or the pitfall, that it is like. */
  readonly imitates: string;
  readonly file: string;
  /** Stands exactly once in `file`. */
  readonly find: string;
  readonly replace: string;
  /** The unit tests that are asked where the simulator sees nothing. */
  readonly tests: string;
  /** Why the simulator is not asked at all: it never gets there. */
  readonly notSimulated?: string;
  /** Why nobody can see it from outside: another check holds the same. */
  readonly harmless?: string;
}

/** Throws where the text to replace is not there exactly once: the mutant no longer applies. */
export function mutated(source: string, { name, file, find, replace }: Mutant): string {
  const parts = source.split(find);
  if (parts.length !== 2 || find === replace) {
    throw new Error(`${name}: its text is ${parts.length - 1} times in ${file}, not once`);
  }
  return parts.join(replace);
}
