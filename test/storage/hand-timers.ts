/** Timers that run when the test says so. */
export class HandTimers {
  readonly armed: { delayMs: number; run: () => void }[] = [];

  after(delayMs: number, run: () => void): { cancel(): void } {
    const timer = { delayMs, run };
    this.armed.push(timer);
    return {
      cancel: () => {
        const at = this.armed.indexOf(timer);
        if (at !== -1) this.armed.splice(at, 1);
      },
    };
  }

  fire(): void {
    this.armed.shift()!.run();
  }

  /** The ones with this delay. */
  fireAll(delayMs: number): void {
    for (const timer of this.armed.filter((each) => each.delayMs === delayMs)) {
      this.armed.splice(this.armed.indexOf(timer), 1);
      timer.run();
    }
  }
}
