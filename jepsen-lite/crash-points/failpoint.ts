export type Side = "before" | "after";

/** A side of the `count`th step of this name, counted from the start of the process. */
export interface StepMoment {
  readonly side: Side;
  readonly step: string;
  readonly count: number;
}

/** Tells of every step, and kills this process at one, with nothing of its own done any more. */
export class Failpoint {
  readonly #armed: StepMoment | null;
  readonly #onStep: (side: Side, step: string) => void;
  readonly #counts = new Map<string, number>();

  constructor(armed: StepMoment | null, onStep: (side: Side, step: string) => void) {
    this.#armed = armed;
    this.#onStep = onStep;
  }

  async around<T>(step: string, carryOut: () => Promise<T>): Promise<T> {
    this.#pass("before", step);
    const result = await carryOut();
    this.#pass("after", step);
    return result;
  }

  #pass(side: Side, step: string): void {
    this.#onStep(side, step);
    const name = `${side} ${step}`;
    const count = (this.#counts.get(name) ?? 0) + 1;
    this.#counts.set(name, count);
    const { side: armedSide, step: armedStep, count: armedCount } = this.#armed ?? {};
    if (side === armedSide && step === armedStep && count === armedCount) {
      process.kill(process.pid, "SIGKILL");
    }
  }
}
