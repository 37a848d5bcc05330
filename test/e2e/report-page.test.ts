import { access, mkdir } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { writeHistory } from "../../jepsen-lite/chaos/history-file.ts";
import { writeJsonLines } from "../../jepsen-lite/chaos/json-lines.ts";
import { FILES, type RunFiles, writeJson } from "../../jepsen-lite/chaos/run-directory.ts";
import { writeReport } from "../../jepsen-lite/report/write.ts";
import { X } from "../checker/story.ts";
import { lostWrite, PARTITION, runOf, sampled } from "../report/runs.ts";
import { temporaryDirectory } from "../storage/fixture.ts";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const SCHEMES = ["light", "dark"] as const;
const WIDTHS = [1280, 800] as const;
/** For text, of the guidelines of the W3C, level AA. */
const CONTRAST_MIN = 4.5;
/** A browser starts slowly beside other work. */
const MS_MAX = 60_000;

async function browserPath(): Promise<string | null> {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  for (const path of NAMES.flatMap((name) => folders.map((folder) => join(folder, name)))) {
    const isThere = await access(path).then(
      () => true,
      () => false,
    );
    if (isThere) return path;
  }
  return null;
}

const path = await browserPath();
if (path === null)
  console.info("skipped: a page is looked at by chromium (apt-get install chromium)");

/** Half a minute, with what a page has to show in it. */
function halfAMinute(): RunFiles {
  const story = lostWrite().wait(2_000);
  for (let seq = 2; seq < 300; seq += 1) {
    const op = story.putting("c1", seq, [[X, `v${seq}`]]);
    story.wait(seq % 90);
    if (seq % 10 > 0) story.ok(op, seq);
  }
  story.subscribe("w1");
  story.told("c1", "ttl", 300).wait(14_000).record({ type: "calm" });
  const faults = [
    PARTITION,
    {
      nemesis: "kill",
      on: "processes" as const,
      what: "n2 killed",
      fromMs: 4_000,
      toMs: 9_000,
      evidence: null,
    },
    {
      nemesis: "storm",
      on: "sockets" as const,
      what: "32 reset",
      fromMs: 8_000,
      toMs: null,
      evidence: null,
    },
  ];
  const views = sampled(...Array.from({ length: 100 }, (_, i) => i * 250));
  const broken = [{ what: "stuck: no leader within 40000 ms", atMs: 20_000 }];
  return runOf(story.events, { faults, views, broken });
}

async function written(files: RunFiles): Promise<string> {
  const directory = join(await temporaryDirectory(), "run");
  await mkdir(directory);
  const at = (name: keyof typeof FILES): string => join(directory, FILES[name]);
  await writeHistory(at("history"), files.history);
  await writeJsonLines(at("schedule"), files.schedule);
  await writeJsonLines(at("views"), files.views);
  await writeJson(at("faults"), files.faults);
  await writeJson(at("verdict"), files.verdict);
  await writeJson(at("result"), files.result);
  await writeReport(directory);
  return pathToFileURL(at("report")).href;
}

describe.skipIf(path === null)("the page of a run, in a browser", () => {
  let browser: Browser;

  beforeAll(async () => {
    // Chromium refuses its sandbox to root.
    browser = await chromium.launch({ executablePath: path ?? "", args: ["--no-sandbox"] });
  }, MS_MAX);

  afterAll(async () => {
    await browser?.close();
  });

  /** Opens it, and gathers what goes wrong and all that is asked for. */
  async function opened(url: string, how: Parameters<Browser["newPage"]>[0] = {}) {
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 }, ...how });
    onTestFinished(() => page.close());
    const heard: string[] = [];
    page.on("console", (message) => heard.push(message.text()));
    page.on("pageerror", (error) => heard.push(error.message));
    page.on("request", (request) => {
      if (request.url() !== url) heard.push(request.url());
    });
    await page.goto(url);
    return { page, heard };
  }

  const looks = SCHEMES.flatMap((colorScheme) => WIDTHS.map((width) => ({ colorScheme, width })));

  test.for(looks)(
    "is readable in $colorScheme, $width px wide, and asks for nothing",
    { timeout: MS_MAX },
    async ({ colorScheme, width }) => {
      const url = await written(halfAMinute());
      const { page, heard } = await opened(url, { colorScheme, viewport: { width, height: 900 } });
      await page.locator(".plot").nth(5).hover();
      expect(await faint(page, CONTRAST_MIN)).toEqual([]);
      // Nothing has more than black on white, so all text was looked at.
      expect((await faint(page, 22)).length).toBeGreaterThan(100);
      expect(await overlaps(page)).toEqual([]);
      const tooWide = "document.documentElement.scrollWidth - innerWidth";
      expect(await page.evaluate(tooWide)).toBe(0);
      expect(heard).toEqual([]);
    },
  );

  test(
    "tells of a moment, by pointer and by keys",
    async () => {
      const { page, heard } = await opened(await written(halfAMinute()));
      const dock = page.locator("#dock");
      await page.locator(".bar").nth(1).hover();
      await expect.poll(() => dock.textContent()).toContain("kill: n2 killed");
      expect(await dock.textContent()).toMatch(/n1leaderterm 1commit \d+/);
      await page.locator("#scroller").focus();
      for (const [key, shown] of [
        ["Home", "0.00 s"],
        ["f", "partition: halves"],
        ["f", "4.00 s"],
        ["F", "0.10 s"],
        ["V", "violation 2: Linearizable"],
        ["v", "20.00 s"],
        ["ArrowLeft", "19.90 s"],
        ["Shift+ArrowRight", "20.90 s"],
      ] as const) {
        await page.keyboard.press(key);
        expect(await dock.textContent()).toContain(shown);
      }
      await page.keyboard.press("+");
      await page.getByLabel("Zoom in").click();
      expect(await page.locator("#zoom").textContent()).toBe("4×");
      const [wide, seen] = await page.evaluate<[number, number]>(
        "[document.getElementById('lanes').offsetWidth, document.getElementById('scroller').offsetWidth]",
      );
      expect(wide).toBeGreaterThan(3 * seen);
      expect(await page.locator("#cursor").isVisible()).toBe(true);
      expect(heard).toEqual([]);
    },
    MS_MAX,
  );

  test(
    "opens the violation that a mark in the lanes leads to",
    async () => {
      const { page } = await opened(await written(halfAMinute()));
      const second = page.locator("#violation-2");
      expect(await second.locator("table").isVisible()).toBe(false);
      await page.locator('.violations a[href="#violation-2"]').click();
      await second.locator("table").waitFor();
      expect(await second.locator("tr.own").count()).toBeGreaterThan(0);
    },
    MS_MAX,
  );

  test(
    "shows everything without its script, too",
    async () => {
      const url = await written(halfAMinute());
      const { page } = await opened(url, { javaScriptEnabled: false });
      expect(await page.locator(".lane").count()).toBeGreaterThan(15);
      expect(await page.locator("#tools").isVisible()).toBe(false);
      expect(await page.locator("#dock").isVisible()).toBe(false);
    },
    MS_MAX,
  );
});

/** Text that is too much like what is behind it, with its contrast. */
async function faint(page: Page, contrastMin: number): Promise<string[]> {
  return await page.evaluate<string[]>(`(${FAINT})(${contrastMin})`);
}

/** Names of lanes that lie upon the words of their scale. */
async function overlaps(page: Page): Promise<string[]> {
  return await page.evaluate<string[]>(`(${OVERLAPS})()`);
}

const FAINT = `(least) => {
  const channels = (text) => (text.match(/[\\d.]+/g) ?? []).map(Number);
  const linear = (value) =>
    value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const behind = (element) => {
    for (let at = element; at !== null; at = at.parentElement) {
      const colour = channels(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  return [...document.querySelectorAll("body *")].flatMap((element) => {
    const own = [...element.childNodes].filter((node) => node.nodeType === 3);
    const text = own.map((node) => node.data).join("").trim();
    const isSeen = element.checkVisibility() && !["SCRIPT", "STYLE"].includes(element.tagName);
    if (text === "" || !isSeen) return [];
    const [one, other] = [channels(getComputedStyle(element).color), behind(element)].map(light);
    const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    return contrast < least ? [contrast.toFixed(2) + " " + element.className + ": " + text] : [];
  });
}`;

const OVERLAPS = `() =>
  [...document.querySelectorAll(".name")].flatMap((name) => {
    const words = [...name.querySelectorAll("b, small")].map((each) => {
      const range = document.createRange();
      range.selectNodeContents(each);
      return range.getBoundingClientRect();
    });
    const scales = [...name.querySelectorAll(".scale")].map((each) => each.getBoundingClientRect());
    const meet = (a, b) =>
      a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
    const bad = words.some((word) => scales.some((scale) => meet(word, scale)));
    const clash = scales.some((a, i) => scales.some((b, j) => i < j && meet(a, b)));
    const cut = words.some((word) => word.right > name.getBoundingClientRect().right);
    return bad || clash || cut ? [name.textContent] : [];
  })`;
