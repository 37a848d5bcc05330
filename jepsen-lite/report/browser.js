/**
 * What a page can do beyond what it shows: it tells of the moment under the pointer, is moved
 * through by keys, and zooms. Without it everything is there but that.
 */
const data = JSON.parse(document.getElementById("data").textContent);
const [scroller, lanes, cursor, dock, zoomShown] = [
  ...["scroller", "lanes", "cursor", "dock", "zoom"].map((id) => document.getElementById(id)),
];
const frame = scroller.parentElement;
const { endMs, widthMs } = data;
const ZOOM_MAX = 64;
/** How many samples of a node may be missing before what it said last is not shown any more. */
const SAMPLE_MS_MAX = 1_500;

let zoom = 1;
let nowMs = null;

for (const id of ["tools", "dock"]) document.getElementById(id).hidden = false;

function element(name, text, ...children) {
  const made = document.createElement(name);
  if (text !== null) made.textContent = text;
  made.append(...children);
  return made;
}

function list(title, lines, none) {
  const items = (lines.length > 0 ? lines : [none]).map((line) => element("li", line));
  return [element("h4", title), element("ul", null, ...items)];
}

function table(title, rows) {
  const body = rows.map((cells) =>
    element("tr", null, ...cells.map((cell) => element("td", String(cell)))),
  );
  return [element("h4", title), element("table", null, ...body)];
}

/** As the rest of the page writes moments. */
function momentOf(atMs) {
  const seconds = atMs / 1_000;
  if (seconds < 120) return `${seconds.toFixed(2)} s`;
  return `${Math.floor(seconds / 60)}:${(seconds % 60).toFixed(2).padStart(5, "0")}`;
}

function last(values, bucket) {
  const least = Math.max(0, bucket - Math.ceil(SAMPLE_MS_MAX / widthMs));
  for (let at = bucket; at >= least; at -= 1) if (values[at] !== null) return values[at];
  return null;
}

function nodesAt(bucket) {
  return data.nodes.map(({ name, spans, terms, commits }) => {
    const state = spans.find(([, fromMs, toMs]) => fromMs <= nowMs && nowMs < toMs)?.[0] ?? "?";
    const isSeen = state !== "down" && state !== "silent";
    const [term, commit] = isSeen ? [last(terms, bucket), last(commits, bucket)] : [null, null];
    return [
      name,
      state,
      term === null ? "" : `term ${term}`,
      commit === null ? "" : `commit ${commit}`,
    ];
  });
}

function show() {
  const bucket = Math.min(data.rates.writes.length - 1, Math.floor(nowMs / widthMs));
  const [fromNow, toNow] = [bucket * widthMs, (bucket + 1) * widthMs];
  const isNow = ({ fromMs, toMs }) => fromMs < toNow && fromNow <= toMs;
  const faults = data.faults.filter(isNow).map(({ words }) => words);
  const broken = data.violations
    .filter(({ atMs }) => Math.floor(atMs / widthMs) === bucket)
    .map(({ number, title }) => `violation ${number}: ${title}`);
  const rates = Object.entries(data.rates).map(([name, counts]) => [
    name,
    Math.round((counts[bucket] * 1_000) / widthMs),
  ]);
  const latencies = data.kinds.map(({ kind, latencies: all }) => [kind, ...(all[bucket] ?? [])]);
  const moment = element("div", momentOf(nowMs));
  moment.className = "moment";
  const column = (...children) => element("div", null, ...children);
  dock.replaceChildren(
    column(moment, ...list("disturbed by", [...broken, ...faults], "nothing")),
    column(...table("nodes", nodesAt(bucket))),
    column(...table("a second", rates)),
    column(...table("latency, ms: median, 99 of 100, slowest", latencies)),
  );
  dock.dataset.shows = "moment";
  cursor.hidden = false;
  cursor.style.left = `calc(var(--gutter) + (100% - var(--gutter)) * ${nowMs / endMs})`;
}

/** Where the lanes begin to show the run. */
function plot() {
  return lanes.querySelector(".plot").getBoundingClientRect();
}

function goTo(atMs) {
  nowMs = Math.min(endMs - 1, Math.max(0, atMs));
  show();
  const { left, width } = plot();
  const x = left + (nowMs / endMs) * width;
  const seen = scroller.getBoundingClientRect();
  const gutter = left + scroller.scrollLeft - seen.left;
  if (x < seen.left + gutter || x > seen.right)
    scroller.scrollLeft += x - (seen.left + seen.right) / 2;
}

/** What is under the cursor, or in the middle, stays where it is. */
function zoomBy(factor) {
  const before = plot();
  const seen = scroller.getBoundingClientRect();
  const middle = (seen.left + seen.right) / 2;
  const part = nowMs === null ? (middle - before.left) / before.width : nowMs / endMs;
  const x = before.left + part * before.width;
  zoom = Math.min(ZOOM_MAX, Math.max(1, zoom * factor));
  frame.style.setProperty("--zoom", String(zoom));
  frame.dataset.ticks = zoom >= 16 ? "16" : zoom >= 4 ? "4" : "1";
  zoomShown.textContent = `${zoom}×`;
  const after = plot();
  scroller.scrollLeft += after.left + part * after.width - x;
}

/** To the next of these moments, or the last one before. */
function jump(moments, isBack) {
  const sorted = moments.toSorted((a, b) => (isBack ? b - a : a - b));
  const from = nowMs ?? -1;
  const next = sorted.find((atMs) => (isBack ? atMs < from - 1 : atMs > from + 1));
  if (next !== undefined) goTo(next);
}

lanes.addEventListener("pointermove", ({ clientX }) => {
  const { left, width } = plot();
  const visible =
    scroller.getBoundingClientRect().left +
    (left + scroller.scrollLeft - scroller.getBoundingClientRect().left);
  if (clientX < visible) return;
  nowMs = Math.min(endMs - 1, Math.max(0, ((clientX - left) / width) * endMs));
  show();
});

const faultsMs = data.faults.map(({ fromMs }) => fromMs);
const violationsMs = data.violations.map(({ atMs }) => atMs);
const KEYS = {
  ArrowLeft: ({ shiftKey }) => goTo((nowMs ?? 0) - widthMs * (shiftKey ? 10 : 1)),
  ArrowRight: ({ shiftKey }) => goTo((nowMs ?? 0) + widthMs * (shiftKey ? 10 : 1)),
  Home: () => goTo(0),
  End: () => goTo(endMs),
  f: () => jump(faultsMs, false),
  F: () => jump(faultsMs, true),
  v: () => jump(violationsMs, false),
  V: () => jump(violationsMs, true),
  "+": () => zoomBy(2),
  "-": () => zoomBy(0.5),
};

scroller.addEventListener("keydown", (event) => {
  const act = KEYS[event.key];
  if (act === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  act(event);
});

for (const button of document.querySelectorAll("[data-zoom-by]")) {
  button.addEventListener("click", () => zoomBy(Number(button.dataset.zoomBy)));
}

/** A violation that is pointed at is opened. */
function openTarget() {
  const target = document.getElementById(location.hash.slice(1));
  if (target instanceof HTMLDetailsElement) target.open = true;
}
addEventListener("hashchange", openTarget);
openTarget();
