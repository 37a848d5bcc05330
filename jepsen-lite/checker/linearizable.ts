/**
 * Whether there is one row of acts, each at a moment between its call and its return, that a model
 * allows: the search of Wing and Gong, with Lowe's memory of what was tried in vain. It knows nothing
 * of registries.
 */

/** Times are of any kind; of a call and a return at one time, the call comes first. */
export interface Act {
  readonly call: number;
  /** Infinite where nobody knows whether it happens: it may, at any time from its call on, or not. */
  readonly return: number;
  /**
   * The acts of one lane happen in the order in which they stand in the list; one that is passed over
   * never happens. Null: in no order with others.
   */
  readonly lane: number | null;
  /** Whether it changes no state, whatever the state is. Without a lane it does not. */
  readonly isLook: boolean;
  /**
   * Of a look that is true only where one thing is shown: what. Once left, no state comes back that
   * shows it.
   */
  readonly awaits: number | null;
  /** What is shown by the states that come of this act alone. */
  readonly makes: number | null;
}

/** States are numbers; the first one is 0. */
export interface Model<A extends Act> {
  /** What a state shows to looks; more than one state may show the same. */
  shown(state: number): number;
  /** The state after `act`; null where it cannot happen in `state`. */
  step(state: number, act: A): number | null;
}

/**
 * `no`: with the act that no row gets past, of those that return the one that returns the latest, and
 * the states in which it was not possible. `unknown`: not found in as many steps as were allowed.
 */
export type Result<A extends Act> =
  | { readonly outcome: "yes" | "unknown"; readonly steps: number }
  | {
      readonly outcome: "no";
      readonly steps: number;
      readonly stuck: A;
      readonly states: readonly number[];
    };

/**
 * A step is one act that is tried in one state, or one comparison with what was tried before. Near
 * linear in the acts where few of them overlap; at worst exponential in those that do.
 */
export function search<A extends Act>(
  acts: readonly A[],
  model: Model<A>,
  stepsMax: number,
): Result<A> {
  return new Search(acts, model, stepsMax).run();
}

/** What there is to choose from at one place, and how to come back to it. */
interface Choice {
  readonly acts: readonly number[];
  next: number;
  readonly trailLength: number;
  readonly state: number;
}

/** A place that was reached. */
interface Tried {
  readonly check: number;
  readonly placed: number;
  readonly state: number;
  /** By lane, where its last act that is over has no return: how many are over. */
  readonly passed: ReadonlyMap<number, number>;
}

const NONE = -1;
const STATES_TOLD_MAX = 5;

class Search<A extends Act> {
  readonly #acts: readonly A[];
  readonly #model: Model<A>;
  readonly #stepsMax: number;
  #steps = 0;
  #state = 0;

  /** Calls (2 × act) and returns (2 × act + 1) by time, without those of acts that are over. */
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  readonly #head: number;

  /** The acts of each lane, how many of them are over, and where an act stands in its own. */
  readonly #lanes: number[][] = [];
  readonly #over: number[] = [];
  readonly #place: Int32Array;
  readonly #passing = new Set<number>();
  /** By what is shown: how many looks wait for it. */
  readonly #waiting = new Map<number, number>();

  /** Acts that are over, in the order in which they became so. */
  readonly #trail: number[] = [];
  /** How many with a return are among them, and two hashes of which. */
  #placed = 0;
  #hash = 0;
  #check = 0;
  readonly #tried = new Map<number, Tried[]>();

  #stuck = NONE;
  readonly #stuckStates = new Set<number>();

  constructor(acts: readonly A[], model: Model<A>, stepsMax: number) {
    this.#acts = acts;
    this.#model = model;
    this.#stepsMax = stepsMax;
    this.#head = 2 * acts.length;
    this.#next = new Int32Array(this.#head + 1).fill(NONE);
    this.#previous = new Int32Array(this.#head + 1).fill(NONE);
    this.#place = new Int32Array(acts.length).fill(NONE);
    let last = this.#head;
    for (const entry of this.#entries()) {
      this.#next[last] = entry;
      this.#previous[entry] = last;
      last = entry;
    }
    acts.forEach(({ lane, awaits }, act) => {
      if (lane !== null) {
        this.#lanes[lane] ??= [];
        this.#over[lane] = 0;
        this.#place[act] = (this.#lanes[lane]?.push(act) ?? 0) - 1;
      }
      if (awaits !== null) {
        this.#waiting.set(awaits, this.#waitingFor(awaits) + 1);
      }
    });
  }

  run(): Result<A> {
    const choices: Choice[] = [];
    do {
      const acts = this.#settle();
      if (acts === null) {
        return { outcome: "yes", steps: this.#steps };
      }
      const isNew = !this.#wasTried();
      const trailLength = this.#trail.length;
      choices.push({ acts: isNew ? acts : [], next: 0, trailLength, state: this.#state });
      if (this.#steps > this.#stepsMax) {
        return { outcome: "unknown", steps: this.#steps };
      }
    } while (this.#goOn(choices));
    const stuck = this.#act(this.#stuck);
    return { outcome: "no", steps: this.#steps, stuck, states: [...this.#stuckStates] };
  }

  /** The latest choice that has something left; false where none has. */
  #goOn(choices: Choice[]): boolean {
    for (let choice = choices.at(-1); choice !== undefined; choice = choices.at(-1)) {
      while (this.#trail.length > choice.trailLength) {
        this.#putBack(this.#trail.pop() ?? NONE);
      }
      this.#state = choice.state;
      while (choice.next < choice.acts.length) {
        const act = choice.acts[choice.next] ?? NONE;
        choice.next += 1;
        if (this.#take(act)) {
          return true;
        }
      }
      choices.pop();
    }
    return false;
  }

  /**
   * A look that is true now, and passes nothing over, is placed at once: wherever else it may be, it
   * may be here, too. Then gives all that can come before the first return, those first that return
   * first, and those last of which nobody knows; null where no return is left.
   */
  #settle(): number[] | null {
    const acts: number[] = [];
    for (let at = this.#after(this.#head); at !== NONE; at = this.#after(at)) {
      const act = at >> 1;
      if (at % 2 === 1) {
        this.#noteStuck(act);
        return acts.sort((a, b) => this.#returnOf(a) - this.#returnOf(b) || a - b);
      }
      const { isLook, lane } = this.#act(act);
      if (isLook && this.#passesNothing(act) && this.#isPossible(act)) {
        this.#finish(act);
      } else if (lane !== null) {
        acts.push(act);
      }
    }
    return null;
  }

  #take(act: number): boolean {
    const { lane, return: returned } = this.#act(act);
    const own = this.#lanes[lane ?? NONE] ?? [];
    const passed = own.slice(this.#over[lane ?? NONE], this.#place[act]);
    if (passed.some((other) => this.#isNeeded(other))) {
      return false;
    }
    this.#steps += 1;
    const after = this.#model.step(this.#state, this.#act(act));
    // What may be left out is left out where it would change nothing.
    const isIdle = after === this.#state && returned === Number.POSITIVE_INFINITY;
    if (after === null || isIdle || this.#isTooSoon(after)) {
      return false;
    }
    for (const other of passed) {
      this.#finish(other);
    }
    this.#finish(act);
    this.#state = after;
    return true;
  }

  /** Whether something waits for what is shown, and is not any more in the state `after`. */
  #isTooSoon(after: number): boolean {
    const shown = this.#model.shown(this.#state);
    return shown !== this.#model.shown(after) && this.#waitingFor(shown) > 0;
  }

  /** Whether it has to happen. */
  #isNeeded(act: number): boolean {
    const { return: returned, makes } = this.#act(act);
    return returned !== Number.POSITIVE_INFINITY || (makes !== null && this.#waitingFor(makes) > 0);
  }

  #isPossible(act: number): boolean {
    this.#steps += 1;
    return this.#model.step(this.#state, this.#act(act)) !== null;
  }

  #passesNothing(act: number): boolean {
    const { lane } = this.#act(act);
    return lane === null || this.#over[lane] === this.#place[act];
  }

  /** It is over, whether it happens or is passed over. */
  #finish(act: number): void {
    // The return first: who walks along the list stands at the call.
    this.#unlink(2 * act + 1);
    this.#unlink(2 * act);
    this.#trail.push(act);
    this.#count(act, 1);
  }

  #putBack(act: number): void {
    this.#link(2 * act);
    this.#link(2 * act + 1);
    this.#count(act, -1);
  }

  #count(act: number, by: 1 | -1): void {
    const { lane, awaits } = this.#act(act);
    if (awaits !== null) {
      this.#waiting.set(awaits, this.#waitingFor(awaits) - by);
    }
    if (!this.#isIndefinite(act)) {
      this.#placed += by;
      this.#hash ^= mixed(act, 0x9e3779b9);
      this.#check ^= mixed(act, 0x7f4a7c15);
    }
    if (lane !== null) {
      const over = (this.#place[act] ?? 0) + (by === 1 ? 1 : 0);
      this.#over[lane] = over;
      const last = this.#lanes[lane]?.[over - 1];
      if (last !== undefined && this.#isIndefinite(last)) {
        this.#passing.add(lane);
      } else {
        this.#passing.delete(lane);
      }
    }
  }

  /**
   * Whether this place, or a better one, was reached before: the same state, with the same acts of
   * those that have a return, and no more of the others over. Whatever leads on from here leads on
   * from there. Two places are taken for the same by 64 bits and a count.
   */
  #wasTried(): boolean {
    const low = (this.#check ^ mixed(this.#state, 0x85ebca6b)) & 0x1fffff;
    const key = (this.#hash >>> 0) * 0x200000 + low;
    const tried = this.#tried.get(key) ?? [];
    this.#steps += tried.length;
    const isBetter = ({ check, placed, state, passed }: Tried): boolean =>
      check === this.#check &&
      placed === this.#placed &&
      state === this.#state &&
      [...passed].every(([lane, over]) => (this.#over[lane] ?? 0) >= over);
    if (tried.some(isBetter)) {
      return true;
    }
    const passed = new Map([...this.#passing].map((lane) => [lane, this.#over[lane] ?? 0]));
    tried.push({ check: this.#check, placed: this.#placed, state: this.#state, passed });
    this.#tried.set(key, tried);
    return false;
  }

  #noteStuck(act: number): void {
    const isFurther = this.#stuck === NONE || this.#returnOf(act) > this.#returnOf(this.#stuck);
    if (isFurther) {
      this.#stuck = act;
      this.#stuckStates.clear();
    }
    if (act === this.#stuck && this.#stuckStates.size < STATES_TOLD_MAX) {
      this.#stuckStates.add(this.#state);
    }
  }

  #act(act: number): A {
    return this.#acts[act] as A;
  }

  #returnOf(act: number): number {
    return this.#act(act).return;
  }

  #isIndefinite(act: number): boolean {
    return this.#returnOf(act) === Number.POSITIVE_INFINITY;
  }

  #waitingFor(shown: number): number {
    return this.#waiting.get(shown) ?? 0;
  }

  #entries(): number[] {
    const times = new Float64Array(this.#head);
    const entries: number[] = [];
    this.#acts.forEach(({ call, return: returned }, act) => {
      times[2 * act] = call;
      times[2 * act + 1] = returned;
      entries.push(2 * act);
      if (returned !== Number.POSITIVE_INFINITY) {
        entries.push(2 * act + 1);
      }
    });
    const timeOf = (entry: number): number => times[entry] ?? 0;
    return entries.sort((a, b) => timeOf(a) - timeOf(b) || (a % 2) - (b % 2) || a - b);
  }

  #after(entry: number): number {
    return this.#next[entry] ?? NONE;
  }

  #unlink(entry: number): void {
    this.#join(this.#previous[entry] ?? NONE, this.#after(entry));
  }

  #link(entry: number): void {
    const previous = this.#previous[entry] ?? NONE;
    const next = this.#after(entry);
    if (previous !== NONE) {
      this.#next[previous] = entry;
    }
    if (next !== NONE) {
      this.#previous[next] = entry;
    }
  }

  /** Nothing joins an entry that was never in the list: the return of what has none. */
  #join(previous: number, next: number): void {
    if (previous !== NONE) {
      this.#next[previous] = next;
    }
    if (next !== NONE) {
      this.#previous[next] = previous;
    }
  }
}

/** 32 bits of which each depends on all of `value`. */
function mixed(value: number, salt: number): number {
  let bits = Math.imul(value ^ salt, 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  bits = Math.imul(bits ^ (bits >>> 16), 0x27d4eb2f);
  return bits ^ (bits >>> 15);
}
