import { setTimeout as sleep } from "node:timers/promises";

/** Asks a real process again and again, since it has nobody to tell; the answer is what is awaited. */
export async function until<T>(ms: number, what: string, ask: () => Promise<T | null>): Promise<T> {
  const deadlineMs = performance.now() + ms;
  for (;;) {
    const answer = await ask();
    if (answer !== null) return answer;
    if (performance.now() > deadlineMs) throw new Error(`not within ${ms} ms: ${what}`);
    await sleep(20);
  }
}
