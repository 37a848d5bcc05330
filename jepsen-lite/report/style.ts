/** Of the page; what is named here for light is named for dark, too. */
const LIGHT = `
  --bg: #ffffff; --raised: #f5f7fa; --ink: #1b2430; --muted: #566273; --rule: #d8dfe8; --grid: #e7ecf2;
  --accent: #1f5fd0; --valid: #17703f; --valid-bg: #e6f4ec; --invalid: #b3261e; --invalid-bg: #fdecea;
  --unknown: #8a5a00; --unknown-bg: #fdf3dc;
  --leader: #1f5fd0; --follower: #b5c6dc; --candidate: #e07b00; --pre-candidate: #f2b45c;
  --learner: #8b61d3; --silent: #7d8897; --down: #b3261e;
  --processes: #cf3f52; --network: #7a57b8; --sockets: #b86e00; --clients: #1f8a8a; --members: #3f6fc4; --clocks: #a8478f; --other: #6b7685;
  --shade: 0.11;
  --node-1: #0b6bb5; --node-2: #d1800a; --node-3: #0a8a66; --node-4: #b8548f; --node-5: #5b50c9;
  --node-6: #c24a18; --node-7: #6b7685;
  --writes: #2f6fdb; --reads: #58a978; --sessions: #b79be0; --refused: #e39a2d; --lost: #c2247f;
  --band: #2f6fdb; --max: #d1800a;`;
const DARK = `
  --bg: #0f141b; --raised: #18202a; --ink: #e7ecf3; --muted: #9fabba; --rule: #303b49; --grid: #222c38;
  --accent: #7fb0ff; --valid: #6fd39b; --valid-bg: #12291e; --invalid: #ff8b82; --invalid-bg: #341a1a;
  --unknown: #f0c265; --unknown-bg: #30270f;
  --leader: #5b9bff; --follower: #3d5069; --candidate: #ffab40; --pre-candidate: #b98338;
  --learner: #b18cf2; --silent: #8b98a8; --down: #ff8b82;
  --processes: #f0697b; --network: #a98be6; --sockets: #e5a03f; --clients: #4fc1c1; --members: #7fa9f5; --clocks: #e58acb; --other: #97a3b2;
  --shade: 0.17;
  --node-1: #5cb1f5; --node-2: #f5b04a; --node-3: #4fd1a5; --node-4: #eb93c6; --node-5: #a49bff;
  --node-6: #ff8f5e; --node-7: #a8b3c0;
  --writes: #5b93f0; --reads: #62b585; --sessions: #a68bd6; --refused: #edb04f; --lost: #ff6fb8;
  --band: #5b93f0; --max: #f5b04a;`;

const TEXT = `
* { box-sizing: border-box; }
body { margin: 0; background: var(--bg); color: var(--ink);
  font: 14px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
header, main { max-width: 1500px; margin: 0 auto; padding: 0 24px; }
header { padding-top: 24px; }
main { padding-bottom: 48px; }
h1 { font-size: 26px; line-height: 1.2; margin: 0 0 16px; }
h2 { font-size: 19px; margin: 36px 0 8px; }
h3 { font-size: 14px; margin: 0; }
a { color: var(--accent); }
.product, .about, .hint { color: var(--muted); margin: 0 0 8px; }
.product { margin: 0; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
.banner { border: 1px solid; border-left-width: 6px; border-radius: 6px; padding: 12px 16px; }
.banner strong { font-size: 20px; display: block; } .banner strong::first-letter { text-transform: uppercase; }
.banner p { margin: 0; color: var(--ink); }
.banner ul { margin: 8px 0 0; padding-left: 20px; color: var(--ink); overflow-wrap: anywhere; }
.banner.valid { color: var(--valid); background: var(--valid-bg); }
.banner.invalid { color: var(--invalid); background: var(--invalid-bg); }
.banner.unknown { color: var(--unknown); background: var(--unknown-bg); }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(128px, 1fr)); gap: 8px; margin: 16px 0 0; }
.facts div { background: var(--raised); border-radius: 6px; padding: 8px 12px; }
.facts dt { color: var(--muted); font-size: 12px; }
.facts dd { margin: 0; font-size: 18px; font-weight: 600; font-variant-numeric: tabular-nums; }
pre { background: var(--raised); border-radius: 6px; padding: 10px 14px; overflow-x: auto; margin: 0 0 12px; }
code, pre { font: 12.5px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
.files { margin: 0; padding-left: 20px; }
kbd { border: 1px solid var(--rule); border-radius: 3px; padding: 0 4px; font: 12px ui-monospace, monospace; }
`;

const TABLES = `
.wide { overflow-x: auto; }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 430px), 1fr)); gap: 24px 40px; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: 4px 12px 4px 0; border-bottom: 1px solid var(--rule); vertical-align: top; }
th { color: var(--muted); font-weight: 500; font-size: 12px; }
td { overflow-wrap: anywhere; } th, td:first-child { white-space: nowrap; overflow-wrap: normal; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.verdict { font-weight: 600; white-space: nowrap; }
.verdict.kept { color: var(--valid); } .verdict.broken { color: var(--invalid); }
.verdict.unknown { color: var(--unknown); }
.swatch { white-space: nowrap; }
.swatch i, .legend i { display: inline-block; width: 14px; height: 10px; border-radius: 2px; margin-right: 5px; }
details > summary { cursor: pointer; }
.badge { display: inline-block; min-width: 20px; padding: 0 5px; border-radius: 10px; background: var(--invalid);
  color: var(--bg); font-size: 12px; font-weight: 700; line-height: 20px; text-align: center; text-decoration: none; }
`;

const LANES = `
.tools { display: flex; flex-wrap: wrap; gap: 6px 28px; align-items: center; margin-bottom: 8px; color: var(--muted); }
.tools[hidden], .dock[hidden], .cursor[hidden] { display: none; }
.tools button { width: 26px; height: 26px; border: 1px solid var(--rule); border-radius: 4px; background: var(--raised);
  color: var(--ink); font-size: 15px; cursor: pointer; }
.tools output { display: inline-block; min-width: 28px; text-align: center; color: var(--ink); }
.frame { --gutter: 190px; --zoom: 1; }
.scroller { overflow-x: auto; border: 1px solid var(--rule); border-radius: 6px; }
.lanes { position: relative; width: calc(var(--gutter) + (100% - var(--gutter)) * var(--zoom)); }
.group + .group { border-top: 1px solid var(--rule); }
.heading { position: sticky; left: 0; width: fit-content; max-width: 100%; display: flex; flex-wrap: wrap;
  gap: 2px 24px; align-items: baseline; padding: 10px 12px 6px; }
.legend { display: flex; flex-wrap: wrap; gap: 0 16px; margin: 0; padding: 0; list-style: none; color: var(--muted); font-size: 12px; }
.stack { position: relative; }
.shades { position: absolute; left: var(--gutter); top: 0; width: calc(100% - var(--gutter)); height: 100%; pointer-events: none; }
.shades rect { opacity: var(--shade); }
.shades path { vector-effect: non-scaling-stroke; fill: none; }
.shades .broken { stroke: var(--invalid); stroke-width: 2; }
.shades .calm { stroke: var(--valid); stroke-width: 1.5; stroke-dasharray: 4 4; }
.lane { display: flex; position: relative; }
.lane + .lane { border-top: 1px solid var(--grid); }
.name { position: sticky; left: 0; z-index: 2; flex: none; width: var(--gutter); background: var(--bg);
  border-right: 1px solid var(--rule); padding: 0 6px 0 12px; overflow: hidden; }
.name .words { display: flex; gap: 8px; height: 100%; align-items: center; white-space: pre; }
.name b { font-weight: 600; font-size: 13px; }
.name small { color: var(--muted); font-size: 11px; line-height: 1.35; }
.name .scale { position: absolute; right: 6px; transform: translateY(-50%); color: var(--muted); font-size: 10.5px;
  font-variant-numeric: tabular-nums; background: var(--bg); }
.tall .words { flex-direction: column; align-items: flex-start; justify-content: center; gap: 0; }
.tall .words b { white-space: normal; max-width: calc(100% - 44px); line-height: 1.25; }
.plot { position: relative; flex: 1; min-width: 0; }
.plot svg { position: absolute; inset: 0; width: 100%; height: 100%; overflow: visible; }
.plot path { vector-effect: non-scaling-stroke; }
.grid { stroke: var(--grid); fill: none; }
.axis { height: 20px; border-top: 1px solid var(--rule) !important; }
.axis .plot { overflow: hidden; }
.axis .plot span { position: absolute; padding: 1px 0 0 4px; border-left: 1px solid var(--muted); color: var(--muted);
  font-size: 11px; font-variant-numeric: tabular-nums; white-space: nowrap; }
.axis [data-zoom="4"], .axis [data-zoom="16"] { display: none; }
.frame[data-ticks="4"] .axis [data-zoom="1"], .frame[data-ticks="16"] .axis [data-zoom="1"] { display: none; }
.frame[data-ticks="4"] .axis [data-zoom="4"], .frame[data-ticks="16"] .axis [data-zoom="16"] { display: inline; }
.inside { padding-left: 8px; color: var(--muted); font-size: 12px; }
.bar, .span, .window { position: absolute; top: 3px; bottom: 3px; min-width: 3px; border-radius: 3px; }
.bar.endless { border-right: 3px dotted var(--ink); border-radius: 3px 0 0 3px; }
.window b, .leads b { position: sticky; left: calc(var(--gutter) + 6px); font-weight: normal; }
.window, .leads { container-type: inline-size; }
@container (max-width: 44px) { .window b, .leads b { display: none; } }
.window { overflow: clip; padding: 0 4px; border: 1px solid var(--rule); background: var(--raised); color: var(--muted);
  font-size: 10.5px; line-height: 11px; white-space: nowrap; }
.window.quiet, .window.rest { background: none; border-style: dashed; }
.violations .badge { position: absolute; top: 2px; transform: translateX(-50%); z-index: 1; }
.cursor { position: absolute; top: 0; bottom: 0; width: 1px; background: var(--ink); pointer-events: none; z-index: 1; }
`;

const COLOURS = `
.on-processes { background: var(--processes); fill: var(--processes); } .on-network { background: var(--network); fill: var(--network); }
.on-sockets { background: var(--sockets); fill: var(--sockets); } .on-clients { background: var(--clients); fill: var(--clients); }
.on-members { background: var(--members); fill: var(--members); }
.on-clocks { background: var(--clocks); fill: var(--clocks); }
.on-other { background: var(--other); fill: var(--other); }
.bar.in-vain, .legend .in-vain { background: repeating-linear-gradient(135deg, var(--muted) 0 1px, transparent 1px 4px); outline: 1px solid var(--muted); outline-offset: -1px; }
.role-leader { background: var(--leader); } .role-follower { background: var(--follower); }
.role-candidate { background: var(--candidate); } .role-preCandidate { background: var(--pre-candidate); }
.role-learner { background: var(--learner); } .role-other { background: var(--other); }
.role-silent { background: repeating-linear-gradient(135deg, var(--silent) 0 2px, transparent 2px 5px); }
.role-down { background: linear-gradient(var(--down), var(--down)) center / 100% 2px no-repeat; }
.roles .span { border-radius: 0; }
.elected { position: absolute; top: 0; bottom: 0; width: 0; border-left: 2px solid var(--ink); }
.elected::before { content: ""; position: absolute; left: -5px; top: -1px; border: 4px solid transparent; border-top: 6px solid var(--ink); border-bottom: 0; }
.legend .elected { position: relative; width: 6px; background: none; margin-left: 4px; top: 1px; }
.leads { color: var(--bg); font-size: 11px; line-height: 14px; padding: 0 6px; overflow: clip; white-space: nowrap; }
${[1, 2, 3, 4, 5, 6, 7].map((n) => `.node-${n} { --own: var(--node-${n}); }`).join(" ")}
.leads { background: var(--own); }
path.line { stroke: var(--own); stroke-width: 1.75; fill: none; }
.legend .line { background: var(--own); height: 4px; vertical-align: middle; }
.asked { fill: var(--writes); background: var(--writes); opacity: 0.75; }
.unknown { stroke: var(--lost); stroke-width: 2; } .legend .unknown { background: var(--lost); width: 4px; }
.session-open { stroke: var(--reads); stroke-width: 4; } .legend .session-open { background: var(--reads); height: 4px; vertical-align: middle; }
.session-opening { stroke: var(--candidate); stroke-width: 4; } .legend .session-opening { background: var(--candidate); height: 4px; vertical-align: middle; }
.session-detached { stroke: var(--silent); stroke-width: 4; stroke-dasharray: 2 2; }
.legend .session-detached { background: repeating-linear-gradient(90deg, var(--silent) 0 2px, transparent 2px 4px); height: 4px; vertical-align: middle; }
.ended { position: absolute; top: 1px; transform: translateX(-50%); color: var(--invalid); font-weight: 700; font-size: 15px; line-height: 16px; }
.legend .ended { position: static; transform: none; width: auto; }
.legend .ended::before { content: "×"; font-style: normal; }
.legend .calm, .legend .broken { width: 0; height: 12px; border-left: 2px dotted var(--valid); border-radius: 0; vertical-align: middle; }
.legend .broken { border-left: 2px solid var(--invalid); }
${["writes", "reads", "sessions", "refused"].map((of) => `.rate-${of} { fill: var(--${of}); background: var(--${of}); }`).join(" ")}
.rate-unknown { fill: var(--lost); background: var(--lost); }
.latency-band { fill: var(--band); opacity: 0.28; }
.latency-p50 { stroke: var(--band); stroke-width: 2.25; }
.latency-max { stroke: var(--max); stroke-width: 2; }
.legend .latency-p50 { background: var(--band); height: 4px; vertical-align: middle; }
.legend .latency-band { background: var(--band); } .legend .latency-max { background: var(--max); height: 3px; vertical-align: middle; }
`;

const DOCK = `
.dock { position: sticky; bottom: 0; z-index: 4; margin-top: 8px; padding: 8px 12px; border: 1px solid var(--rule);
  border-radius: 6px 6px 0 0; background: var(--raised); box-shadow: 0 -4px 16px rgb(0 0 0 / 0.12); font-size: 12px; line-height: 1.4;
  display: grid; grid-template-columns: minmax(180px, 2fr) minmax(190px, 1.6fr) minmax(120px, 0.9fr) minmax(240px, 1.6fr); gap: 4px 20px; }
.dock[data-shows] { min-height: 132px; }
.dock .hint { grid-column: 1 / -1; margin: 0; }
.dock h4 { margin: 0; font-size: 12px; color: var(--muted); font-weight: 500; }
.dock .moment { font-size: 15px; font-weight: 700; font-variant-numeric: tabular-nums; }
.dock table { width: auto; } .dock td, .dock th { border: 0; padding: 0 10px 0 0; font-variant-numeric: tabular-nums; white-space: nowrap; font-size: 12px; }
.dock ul { margin: 0; padding: 0; list-style: none; }
@media (max-width: 900px) {
  header, main { padding-left: 14px; padding-right: 14px; }
  .frame { --gutter: 146px; }
  .dock { grid-template-columns: 1fr 1fr; }
  .name small { font-size: 10px; }
}
`;

const FINDINGS = `
.violation { border: 1px solid var(--rule); border-left: 4px solid var(--invalid); border-radius: 6px; padding: 10px 14px; margin-bottom: 10px; }
.violation .what { display: block; margin: 4px 0 0 28px; overflow-wrap: anywhere; }
.violation .when { color: var(--muted); }
.violation:target { box-shadow: 0 0 0 2px var(--accent); }
.around { margin: 14px 0; }
.around .rows { position: relative; border: 1px solid var(--rule); border-radius: 4px; padding: 4px 0; }
.around .row { display: flex; align-items: center; position: relative; }
.around .row b { flex: none; width: 64px; padding-left: 10px; font-size: 12px; }
.track { position: relative; flex: 1; height: 18px; margin-right: 10px; border-bottom: 1px solid var(--grid); }
.row.scale .track { display: flex; justify-content: space-between; color: var(--muted); font-size: 11px; }
.backdrop { position: absolute; left: 64px; right: 10px; top: 0; bottom: 0; }
.shade { position: absolute; top: 0; bottom: 0; opacity: var(--shade); }
.operation { position: absolute; height: 13px; padding: 0 4px; font: normal 10px/11px system-ui, sans-serif; overflow: hidden; min-width: 3px; border-radius: 2px; background: var(--follower); border: 1px solid var(--muted); }
.operation.own { color: var(--bg); background: var(--invalid); border-color: var(--invalid); z-index: 1; opacity: 0.9; }
.operation.endless { border-right: 3px dotted var(--ink); border-radius: 2px 0 0 2px; }
.operation.from-before { border-left: 3px dotted var(--ink); border-radius: 0 2px 2px 0; }
.tick { position: absolute; top: 2px; bottom: 2px; border-left: 2px solid var(--muted); }
.tick.own { border-color: var(--invalid); border-left-width: 3px; z-index: 1; }
.events td { font-size: 13px; } .events .own td { background: var(--invalid-bg); }
.events td:first-child { box-shadow: inset 3px 0 transparent; } .events .own td:first-child { box-shadow: inset 3px 0 var(--invalid); }
.events td:first-child, .events th:first-child { padding-left: 10px; }
.events code { display: block; padding: 4px 0; color: var(--muted); overflow-wrap: anywhere; }
@media print { .dock, .tools { display: none; } }
`;

export const STYLE = `
:root { color-scheme: light dark; ${LIGHT} }
@media (prefers-color-scheme: dark) { :root { ${DARK} } }
${TEXT}${TABLES}${LANES}${COLOURS}${DOCK}${FINDINGS}`;
