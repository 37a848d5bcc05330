const UNITS_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;

/** `5s`, `250ms`, `1.5m`, `1h` in milliseconds; null when `text` is none of these. */
export function parseDurationMs(text: string): number | null {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text.trim());
  if (match === null) {
    return /^0+$/.test(text.trim()) ? 0 : null;
  }
  const unitMs = UNITS_MS[match[2] as keyof typeof UNITS_MS];
  const durationMs = Math.round(Number(match[1]) * unitMs);
  return Number.isSafeInteger(durationMs) ? durationMs : null;
}

/** For people: `850 ms`, `5.2 s`, `3 min`, `2 h`, `4 d`. */
export function formatDuration(durationMs: number): string {
  if (durationMs < 1000) {
    return `${Math.round(durationMs)} ms`;
  }
  if (durationMs < 60_000) {
    return `${(durationMs / 1000).toFixed(1).replace(/\.0$/, "")} s`;
  }
  if (durationMs < 3_600_000) {
    return `${Math.round(durationMs / 60_000)} min`;
  }
  return durationMs < 86_400_000
    ? `${Math.round(durationMs / 3_600_000)} h`
    : `${Math.round(durationMs / 86_400_000)} d`;
}
