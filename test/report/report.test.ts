import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { judgedAgain } from "../../jepsen-lite/chaos/judged-again.ts";
import { FILES, type RunFiles } from "../../jepsen-lite/chaos/run-directory.ts";
import type { NodeSample } from "../../jepsen-lite/chaos/sampler.ts";
import type { Judgement } from "../../jepsen-lite/checker/verdict.ts";
import type { Event } from "../../jepsen-lite/history.ts";
import { reportOf } from "../../jepsen-lite/report/report.tsx";
import { inlined, writeReport } from "../../jepsen-lite/report/write.ts";
import { Story, X } from "../checker/story.ts";
import { temporaryDirectory } from "../storage/fixture.ts";
import { goodStory, lostWrite, PARTITION, resultOf, runOf, sampled } from "./runs.ts";

const parts = await inlined();
const KEPT: Judgement = {
  outcome: "kept",
  findings: [],
  looked: {
    ...{ streams: 1, serializable: 1, "lost-writes": 1 },
    ...{ leases: 1, monotone: 1, "exactly-once": 1 },
  },
  ...{ bounds: [], doubts: [] },
  referee: { keys: 12, acts: 3_400, steps: 5_600, unknown: [] },
};

function pageOf(files: RunFiles): string {
  return reportOf(files, parts);
}

/** What stands between tags, one space between two. */
function textOf(html: string): string {
  const body = html.replace(/<(style|script)[^>]*>[\s\S]*?<\/\1>/g, "");
  return body.replace(/<[^>]*>/g, " ").replace(/\s+/g, " ");
}

function countOf(html: string, what: RegExp): number {
  return html.match(new RegExp(what, "g"))?.length ?? 0;
}

/** The lane of that name, up to the next one. */
function laneOf(html: string, name: string): string {
  return (
    html.split(/<div class="lane/).find((lane) => lane.includes(`"words"><b>${name}</b>`)) ?? ""
  );
}

describe("the page of a run", () => {
  test("says that it is valid, and what was disturbed, by name and in words", () => {
    const html = pageOf(runOf(goodStory().events, { verdict: KEPT }));
    expect(html).toMatch(/<div class="banner valid" role="status"><strong>valid</);
    expect(html).toContain("<title>Run of seed 42: valid</title>");
    const words =
      "partition: halves (hold): n1>n2 n2>n1 (from 0.1 s to 0.9 s; seen: 12 pieces held)";
    expect(laneOf(html, "partition")).toContain(`class="bar on-network" title="${words}"`);
    expect(html).not.toContain('id="violations"');
  });

  test("shades each fault behind every group of lanes", () => {
    const html = pageOf(runOf(goodStory().events));
    const groups = countOf(html, /<div class="group">/);
    expect(groups).toBe(6);
    expect(countOf(html, /<rect class="on-network"/)).toBe(groups);
  });

  test("counts what was sent by kind, and what came of it", () => {
    const story = goodStory();
    story.fail(story.putting("c1", 2, [[X, "w"]]), "TAKEN_OVER");
    story.putting("c1", 3, [[X, "x"]]);
    const text = textOf(pageOf(runOf(story.events)));
    expect(text).toMatch(/ write 3 1 1 1 1 ms /);
    expect(text).toMatch(/ linearizable read 1 1 0 0 1 ms /);
    expect(text).toMatch(/ open 1 1 0 0 /);
    expect(text).toMatch(/ touch 1 1 0 0 /);
  });

  test("shows a violation with the events that contradict each other, and those around", () => {
    const files = runOf(lostWrite().events);
    expect(files.verdict?.findings.length).toBeGreaterThan(0);
    const html = pageOf(files);
    expect(html).toContain('class="banner invalid"');
    expect(html).toContain('<details class="violation" id="violation-1" open>');
    const found = new Set(files.verdict?.findings[0]?.events);
    const rows = [
      ...html
        .split('id="violation-2"')[0]!
        .matchAll(/<tr(?: class="(own)")?><td class="number">(\d+)</g),
    ];
    const own = rows.filter(([, kind]) => kind === "own").map(([, , at]) => Number(at));
    expect(new Set(own)).toEqual(found);
    // The last one who was told of the revision that it does not see.
    const teller = files.history.findLastIndex(
      (event) => event.type === "ok" && event.revision === 1,
    );
    expect(rows.map(([, , at]) => Number(at))).toContain(teller);
    expect(countOf(html, /class="operation own/)).toBeGreaterThan(0);
    expect(laneOf(html, "violations")).toContain('href="#violation-1"');
    // Behind each group a line, where it was.
    expect(countOf(html, /<path class="broken"/)).toBeGreaterThanOrEqual(6);
  });

  test("says why nothing can be said", () => {
    const doubts = ["too few operations", "the leader never changed"];
    const html = pageOf(runOf(goodStory().events, { doubts, verdict: KEPT }));
    expect(html).toContain('class="banner unknown"');
    expect(textOf(html)).toContain("too few operations the leader never changed");
  });

  test("says what the referee had to look at, and of which keys it can say nothing", () => {
    const events = goodStory().events;
    const words = "operations of each key have an order that explains every answer";
    const acts = "acts of 12 keys, placed in 5,600 steps";
    const kept = textOf(pageOf(runOf(events, { verdict: KEPT })));
    expect(kept).toContain(`${words} kept ${acts} 3,400`);
    const unknown = [{ key: X, steps: 9 }];
    const doubts = [`the referee: unknown for ${X} after 9 steps`];
    const verdict = { ...KEPT, doubts, referee: { ...KEPT.referee, unknown } };
    const html = pageOf(runOf(events, { verdict }));
    expect(html).toContain('class="banner unknown"');
    expect(textOf(html)).toContain(`${words} unknown ${acts}; nothing can be said of ${X} 3,400`);
    expect(textOf(html)).toContain(doubts[0]);
  });

  test("names what the harness saw itself, at its moment", () => {
    const broken = [{ what: "stuck: no leader within 40000 ms", atMs: 7 }];
    const html = pageOf(runOf(goodStory().events, { broken, verdict: KEPT }));
    expect(html).toContain('class="banner invalid"');
    expect(textOf(html)).toContain("Seen by the harness at 0 s stuck: no leader within 40000 ms");
    expect(laneOf(html, "violations")).toContain('href="#violation-1"');
  });

  test("is there for a run in which nothing went on", () => {
    const [setup] = goodStory().events;
    const html = pageOf({
      ...{ history: [setup as Event], schedule: [], faults: [], views: [] },
      ...{ verdict: null, result: null, orders: null },
    });
    expect(textOf(html)).toContain("no verdict The history of this run was not judged.");
    expect(textOf(html)).toContain("nothing was disturbed");
    const empty = pageOf({ ...runOf([], { verdict: KEPT, views: [] }), result: null });
    expect(textOf(empty)).toContain("the run did not come to its end");
  });

  test("leaves a fault open that never ended", () => {
    const faults = [{ ...PARTITION, toMs: null, evidence: null }];
    const html = pageOf(runOf(goodStory().events, { faults }));
    expect(laneOf(html, "partition")).toMatch(
      /class="bar on-network endless" title="[^"]*not ended/,
    );
    expect(textOf(html)).toContain("0.1 s not ended");
  });

  test("tells a fault of which nothing was seen from the others", () => {
    const inVain = { ...PARTITION, nemesis: "storm", evidence: null };
    const html = pageOf(runOf(goodStory().events, { faults: [PARTITION, inVain] }));
    expect(laneOf(html, "storm")).toMatch(
      /class="bar on-network in-vain" title="[^"]*nothing was seen/,
    );
    expect(laneOf(html, "partition")).not.toContain("in-vain");
    expect(textOf(html)).toMatch(/ partition 1 1 1 0\.8 s storm 0 1 0 0\.8 s /);
  });

  test("has nothing to show of a node from when it is no member any more", () => {
    const views = sampled(1, 250, 500, 9_000).filter(
      ({ node, atMs }) => node !== "n3" || atMs < 9_000,
    );
    const html = pageOf(runOf(goodStory().events, { views }));
    expect(laneOf(html, "n3")).toContain('title="n3 follower, 0 s to 0.5 s"');
  });

  test("has one lane for many clients of one name", () => {
    const many = ["h1/1", "h1/2", "m1.7", "m1.8"];
    const story = many.reduce((so, name) => so.read(name, 1, [[X, "v"]]), goodStory());
    const html = pageOf(runOf(story.events));
    expect(laneOf(html, "h1")).not.toBe("");
    expect(laneOf(html, "m1")).not.toBe("");
    for (const name of many) expect(laneOf(html, name)).toBe("");
  });

  test("colours a fault of a kind that it does not know, and names it", () => {
    const odd = { ...PARTITION, nemesis: "flood", on: "cellars" } as unknown as typeof PARTITION;
    const html = pageOf(runOf(goodStory().events, { faults: [odd] }));
    expect(laneOf(html, "flood")).toContain('class="bar on-other"');
    expect(textOf(html)).toContain("something else");
  });

  test("shows a node that never came up as one that does not run", () => {
    const down = [1, 300, 600].map((atMs): NodeSample => ({ atMs, node: "n4", state: "down" }));
    const html = pageOf(runOf(goodStory().events, { views: [...sampled(1, 300, 600), ...down] }));
    const lane = laneOf(html, "n4");
    expect([...lane.matchAll(/class="span ([^"]*)"/g)].map(([, role]) => role)).toEqual([
      "role-down",
    ]);
    expect(laneOf(html, "n1")).toMatch(/class="span role-leader" title="n1 leader, /);
    expect(laneOf(html, "n1")).toMatch(/class="elected" title="n1 elected at [^"]*, term 1"/);
  });
});

describe("text of a run", () => {
  const evil = `</script><script>alert("x")</script><img src=x onerror=alert(1)>`;

  test("becomes no markup, wherever it comes from", () => {
    const story = new Story().open("c1").put("c1", 1, [[`default/${evil}/http/x:1`, evil]], 1);
    const history = story.read(evil, 0, []).told("c1", evil).events;
    const evidence = { count: 1, unit: evil };
    const fault = { ...PARTITION, nemesis: evil, what: evil, evidence };
    const finding = {
      ...({ checker: "leases", promise: evil, what: evil } as const),
      events: [3, 4],
    };
    const html = pageOf(
      runOf(history, {
        faults: [fault],
        schedule: [{ atMs: 1, lengthMs: 5, strikes: [{ nemesis: evil, atMs: 0, forMs: 1 }] }],
        views: [{ atMs: 1, node: evil, state: "down" }],
        verdict: { ...KEPT, outcome: "broken", findings: [finding] },
        result: resultOf({
          broken: [{ what: `ended: n1 ended with 1: ${evil}`, atMs: null }],
          doubts: [evil],
          faultsInVain: { [evil]: 1 },
        }),
      }),
    );
    // One with data, and one that runs, which a policy names by its hash.
    expect(countOf(html, /<script/)).toBe(2);
    expect(countOf(html, /<\/script/)).toBe(2);
    expect(html).not.toContain("<img");
    expect(html).toMatch(/script-src 'sha256-[\w+/]{43}='/);
    const data = /<script type="application\/json" id="data">(.*?)<\/script>/s.exec(html)?.[1];
    expect(JSON.parse(data ?? "").faults[0].words).toContain(evil);
  });

  test("asks for nothing outside of the directory", () => {
    const html = pageOf(runOf(lostWrite().events));
    const asked = [...html.matchAll(/(?:src|href)="([^"#]*)/g)].map(([, url]) => url);
    expect(asked.filter((url) => /[:/]/.test(url ?? ""))).toEqual([]);
    expect(html).not.toMatch(/@import|url\(/);
    expect(html).toContain("default-src 'none'");
  });
});

describe("a directory", () => {
  const jsonLines = (values: readonly unknown[]): string =>
    values.map((value) => `${JSON.stringify(value)}\n`).join("");

  async function directoryOf(files: RunFiles): Promise<string> {
    const directory = join(await temporaryDirectory(), "run");
    await mkdir(directory);
    const write = (name: string, text: string) => writeFile(join(directory, name), text);
    await write(FILES.history, jsonLines(files.history));
    await write(FILES.schedule, jsonLines(files.schedule));
    await write(FILES.views, jsonLines(files.views));
    await write(FILES.faults, JSON.stringify(files.faults));
    await write(FILES.verdict, JSON.stringify(files.verdict));
    await write(FILES.result, JSON.stringify(files.result));
    await write(FILES.orders, JSON.stringify(files.orders));
    return directory;
  }

  const read = (directory: string, name: string) => readFile(join(directory, name), "utf8");

  test("is all that its page is made of", async () => {
    const files = runOf(lostWrite().events);
    const directory = await directoryOf(files);
    await writeReport(directory);
    expect(await read(directory, FILES.report)).toBe(pageOf(files));
  });

  test("is judged again by its history: the verdict and the page are made anew", async () => {
    const files = runOf(lostWrite().events);
    const directory = await directoryOf({ ...files, verdict: KEPT });
    expect((await judgedAgain(directory)).outcome).toBe("invalid");
    expect(JSON.parse(await read(directory, FILES.verdict))).toEqual(files.verdict);
    expect(await read(directory, FILES.report)).toContain('class="banner invalid"');
  });

  test("is judged by what the harness itself has seen as well", async () => {
    const { events } = goodStory();
    const broken = [{ what: "two leaders: term 4", atMs: null }];
    const directory = await directoryOf(runOf(events, { broken }));
    const { outcome, why } = await judgedAgain(directory);
    expect([outcome, ...why]).toEqual(["invalid", "two leaders: term 4"]);
    await rm(join(directory, FILES.result));
    expect((await judgedAgain(directory)).outcome).toBe("unknown");
  });

  test("has a page where the run was cut off, with what it left", async () => {
    const directory = await directoryOf(runOf(goodStory().events));
    for (const name of ["result", "verdict", "faults"] as const) {
      await rm(join(directory, FILES[name]));
    }
    const views = await read(directory, FILES.views);
    await writeFile(join(directory, FILES.views), views.slice(0, -20));
    await writeReport(directory);
    const text = textOf(await read(directory, FILES.report));
    expect(text).toContain("Run of seed 42, cut off");
    expect(text).toContain("no verdict");
  });
});

describe("a long run", () => {
  const MINUTES = 60;
  const OPERATIONS = 1_000_000;
  const CPU_SECONDS_MAX = 20;
  const BYTES_MAX = 3_000_000;

  test("has a page of the size of any other, in a few seconds", () => {
    const endMs = MINUTES * 60_000;
    const history: Event[] = [...new Story().events];
    const call = {
      kind: "read",
      selector: { ...SELECTOR },
      mode: { type: "linearizable" },
    } as const;
    for (let op = 1; op <= OPERATIONS; op += 1) {
      const atMs = (op / OPERATIONS) * (endMs - 1_000);
      history.push({ type: "invoke", op, process: `c${op % 12}`, call, atMs });
      // One of a thousand is never answered.
      if (op % 1_000 !== 0) {
        history.push({ type: "ok", op, revision: op, view: [], atMs: atMs + (op % 500) });
      }
    }
    const faults = Array.from({ length: 1_200 }, (_, i) => ({
      ...PARTITION,
      ...{ nemesis: `nemesis-${i % 12}`, fromMs: i * 3_000, toMs: i * 3_000 + 2_000 },
    }));
    const views = Array.from({ length: endMs / 250 }, (_, i): NodeSample[] => {
      const [atMs, node] = [i * 250, `n${(i % 5) + 1}`];
      // As often another role as it is asked.
      return i % 10 < 5 ? [{ atMs, node, state: "silent" }] : sampled(atMs);
    }).flat();
    const cpuBefore = process.cpuUsage();
    const html = pageOf(runOf(history, { faults, views, verdict: KEPT }));
    const { user, system } = process.cpuUsage(cpuBefore);
    expect((user + system) / 1_000_000).toBeLessThan(CPU_SECONDS_MAX);
    expect(html.length).toBeLessThan(BYTES_MAX);
    expect(textOf(html)).toContain("linearizable read 1,000,000 999,000 0 1,000");
    console.log(`${html.length} bytes, ${((user + system) / 1_000_000).toFixed(1)} s of CPU`);
  }, 120_000);
});

const SELECTOR = { namespace: "default", application: "a", protocol: null, meta: [] };
