import type { ComponentChildren } from "preact";
import { momentOf, timeTicks } from "./time.ts";

/** Horizontal units of a drawing: a run is so wide, whatever it took. */
export const WIDTH = 10_000;
/** How far a page zooms in, and so how many ticks each has room for. */
const ZOOMS = [1, 4, 16] as const;
const TICKS_MAX = 10;
const WORDS_PART = 0.05;

/** Of a moment, in units of a drawing. */
export function unitsOf(atMs: number, endMs: number): number {
  return Math.round((Math.min(atMs, endMs) / endMs) * WIDTH);
}

/** Of a moment, as a length of CSS. */
export function percentOf(atMs: number, endMs: number): string {
  return `${((Math.min(atMs, endMs) / endMs) * 100).toFixed(3)}%`;
}

/** From here on, in pixels, there is room for more than one line. */
const TALL = 40;
/** Above and below what is drawn in a tall lane, so that the words of its scale have room. */
export const PADDING = 9;

interface LaneProps {
  readonly name: string;
  readonly note?: string;
  /** Of what stands to the left of the drawing. */
  readonly scale?: readonly { readonly label: string; readonly top: number }[];
  /** In pixels. */
  readonly height: number;
  readonly kind?: string;
  readonly children: ComponentChildren;
}

/** A row over the time of the run, with its name before it. */
export function Lane({ name, note, scale = [], height, kind = "", children }: LaneProps) {
  return (
    <div class={`lane ${kind}${height > TALL ? " tall" : ""}`} style={{ height: `${height}px` }}>
      <div class="name">
        <span class="words">
          <b>{name}</b>
          {note !== undefined && <small>{note}</small>}
        </span>
        {scale.map(({ label, top }) => (
          <span key={label} class="scale" style={{ top: `${(top * 100).toFixed(1)}%` }}>
            {label}
          </span>
        ))}
      </div>
      <div class="plot">{children}</div>
    </div>
  );
}

interface DrawingProps {
  /** Vertical units. */
  readonly height: number;
  readonly children: ComponentChildren;
}

/** Stretched to the width of its lane; lines keep their thickness. */
export function Drawing({ height, children }: DrawingProps) {
  const viewBox = `0 0 ${WIDTH} ${height}`;
  return (
    <svg viewBox={viewBox} preserveAspectRatio="none" aria-hidden="true">
      {children}
    </svg>
  );
}

/** Lines across a drawing of so many vertical units. */
export function Grid({ tops }: { readonly tops: readonly number[] }) {
  return <path class="grid" d={tops.map((top) => `M0 ${top}H${WIDTH}`).join("")} />;
}

/** The time, for each zoom as fine as it has room for. */
export function TimeAxis({ endMs }: { readonly endMs: number }) {
  return (
    <Lane name="" height={20} kind="axis">
      {ZOOMS.flatMap((zoom) =>
        timeTicks(endMs, TICKS_MAX * zoom)
          // The words of the last one would have no room.
          .filter((atMs) => (endMs - atMs) * zoom > endMs * WORDS_PART)
          .map((atMs) => (
            <span key={`${zoom} ${atMs}`} data-zoom={zoom} style={{ left: percentOf(atMs, endMs) }}>
              {momentOf(atMs)}
            </span>
          )),
      )}
    </Lane>
  );
}
