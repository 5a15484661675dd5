import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import { encodePng } from "../../../science/formats/png_encoder.ts";
import { gridCells, imageGrid } from "../../../science/pictures/image_grid.ts";
import { pointPlots } from "../../../science/pictures/plots.ts";
import { curvePlaces } from "../../../pages/report/charts.ts";
import { comparisonSlots } from "../../../pages/report/comparison_slots.ts";
import { pictures } from "../../../pages/report/frames.ts";
import { renderRun } from "../../../pages/live/run.ts";
import { renderTable } from "../../../pages/live/table.ts";
import type { Report, ReportPicture } from "../../../pages/report/model.ts";
import { type Page as Content, renderPage, renderReport } from "../../../pages/report/page.ts";
import { table } from "../../../pages/report/text.ts";
import { findViolations } from "../../browser/axe.ts";
import { Chromium, findChromium, type Page } from "../../browser/chromium.ts";
import { curve, liveRun, liveStage, manyRuns, score } from "../../support/live_runs.ts";
import { NOTHING, stage } from "../../support/report.ts";

const WEEKS = 3 * 7 * 86_400_000;
/** Names as people may give them: without a place to break, from right to left, and with markup. */
const [LONG, ARABIC, MARKUP] = [
  "w".repeat(200),
  "تجربة الانتشار ".repeat(14).trim(),
  `<b title="x">&amp;</b>`.repeat(9),
];

const SIZE = { width: 16, height: 16, channels: 1 };
const grid = (count: number) =>
  encodePng(imageGrid(Array.from({ length: count }, (_, i) => new Uint8Array(256).fill(i)), SIZE));
const sample = (title: string, count: number, classes?: number): ReportPicture => ({
  ...{ title, note: `${LONG} ${ARABIC}`, source: grid(count), step: 1_000_000 },
  cells: { count, ...gridCells(count, SIZE) },
  ...classes === undefined ? {} : { labels: Array.from({ length: count }, (_, i) => `${i % classes} ${ARABIC}`) },
});
/** A picture of points, as `dataset` and `sample` write it. */
function points(): Uint8Array {
  const [plot] = pointPlots(Array.from({ length: 50 }, (_, i) => Float32Array.of(Math.sin(i), Math.cos(i))), 1, 2.5);
  return encodePng(imageGrid([plot!.data], plot!));
}
const scored = (title: string, value: number): Report["metrics"][number] => ({
  title,
  record: { format: 1, seed: 0, images: {}, metrics: [{ name: "FID", value, count: 9, note: LONG }] },
});
const drawing = new TextEncoder().encode('<svg xmlns="http://www.w3.org/2000/svg" width="900" height="300"/>');

const STAGES = [
  stage("data", [], { kind: LONG, durationMs: 3_000 }),
  stage("train", ["data"], {
    ...{ kind: "train", durationMs: WEEKS, numerics: LONG },
    params: [{ path: LONG, value: ARABIC, origin: [MARKUP, LONG] }],
  }),
];
// The losses of a training that diverged.
const broken = {
  title: "train",
  rows: [1, 2, 3].map((step) => ({ step, loss: step > 1 ? NaN : 1, gradNorm: Infinity })),
};
/** Losses whose logarithmic axis begins just below a power of ten. */
const low = {
  title: "low",
  rows: [1.0087, 0.1095].map((loss, i) => ({ step: i, loss, gradNorm: 1, learningRate: 1 })),
};
const children = Array.from({ length: 40 }, (_, i) => `~${LONG.slice(0, 60)}=${10 ** (i % 20)}~seed=${i % 2}`);

/** A comparison with the parts that one of the command has. */
function comparison(): Content {
  const runs = [LONG, ARABIC, MARKUP].map((label) => ({ label, href: "#a", rows: curve("train", 50).rows }));
  const samples = [LONG, ARABIC].map((title) => ({ ...sample(title, 4), note: title }));
  const groups = [{ title: "train", runs }];
  return {
    ...{ title: "Comparison", subtitle: "3 experiments", notes: [`"${LONG}" has no result of train`], curves: groups },
    sections: [
      { id: "metrics", title: "Metrics", body: [table(["", LONG, ARABIC, MARKUP], [[LONG, "1", "2", "3"]])] },
      { id: "curves", title: "Training", body: curvePlaces(groups) },
      { id: "samples", title: "Samples", body: pictures(samples) },
      { id: "beside", title: "Side by side", body: comparisonSlots(samples) },
    ],
  };
}

const named = liveRun({ pipeline: ARABIC, file: LONG, question: MARKUP, tags: [LONG], overrides: [`x=${LONG}`] });
const PAGES: Readonly<Record<string, string>> = {
  report: renderReport({
    ...NOTHING,
    ...{ title: ARABIC, question: LONG, subtitle: MARKUP, notes: [LONG], stages: STAGES },
    curves: [broken, curve("classifier", 400)],
    samples: [sample("sample", 64, 10), sample("other", 200, 100)],
    data: [sample(LONG, 64)],
    pictures: [{ title: MARKUP, note: LONG, isDrawing: true, source: drawing }],
    metrics: [scored("score", 12.3456)],
  }),
  "a report of points": renderReport({ ...NOTHING, data: [{ title: "moons", note: "", source: points() }] }),
  "a report without images": renderReport({ ...NOTHING, stages: STAGES, curves: [curve("train", 9), low] }),
  "a report without a training": renderReport({ ...NOTHING, stages: STAGES, data: [sample("data", 64)] }),
  "a report of one stage": renderReport({ ...NOTHING, stages: STAGES.slice(0, 1) }),
  sweep: renderReport({
    ...NOTHING,
    stages: children.map((child) => stage(`train${child}`, [], { durationMs: WEEKS })),
    curves: children.map((child) => curve(`train${child}`, 20)),
    samples: children.map((child) => sample(`sample${child}`, 16)),
    metrics: children.map((child, i) => scored(`score${child}`, i + 1)),
  }),
  table: renderPage(renderTable([...manyRuns(30), { ...named, scores: [score(LONG, 1)] }], new URLSearchParams())),
  "an empty table": renderPage(renderTable([], new URLSearchParams())),
  "a live page": renderPage(renderRun(
    {
      ...named,
      stages: [
        ...named.stages.map((one) => ({ ...one, previews: [] })),
        liveStage(LONG.slice(0, 90), { state: "failed", message: LONG, fix: ARABIC, durationMs: WEEKS }),
      ],
    },
    { curves: [curve("train", 300)], log: { stage: "train", text: `${LONG}${LONG}\n`.repeat(50) } },
  )),
  comparison: renderPage(comparison()),
};

const WIDTHS = [360, 414, 540, 768, 1_024, 1_280, 1_600, 1_920];

/** Opens each page in turn. */
async function eachPage(scheme: "light" | "dark", look: (page: Page, name: string) => Promise<void>): Promise<void> {
  const executable = await findChromium();
  if (executable === undefined) return;
  const folder = await Deno.makeTempDir({ prefix: "noiseline-layout-" });
  await using browser = await Chromium.start(executable);
  try {
    const page = await browser.newPage({ width: WIDTHS[0]!, height: 900, colorScheme: scheme });
    for (const [name, html] of Object.entries(PAGES)) {
      const path = join(folder, `${name.replaceAll(" ", "-")}.html`);
      await Deno.writeTextFile(path, html);
      await page.open(`file://${path}`);
      await look(page, name);
      assertEquals(page.problems, [], name);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** The elements beyond the right edge of a page, if it scrolls sideways. */
const BEYOND = `document.documentElement.scrollWidth <= document.documentElement.clientWidth ? [] :
  [...document.querySelectorAll("body *")].filter((one) => one.getBoundingClientRect().right > innerWidth + 1)
    .map((one) => one.outerHTML.slice(0, 160)).slice(0, 5).concat("scrolls")`;

Deno.test("no page scrolls sideways at any width from 360 to 1,920 pixels, whatever its names", async () => {
  await eachPage("light", async (page, name) => {
    for (const width of WIDTHS) {
      await page.resize(width);
      await new Promise((resolve) => setTimeout(resolve, 100));
      assertEquals(await page.evaluate(BEYOND), [], `${name} at ${width}`);
    }
  });
});

/** Areas that are bright on a dark page, apart from pictures and the colours in legends. */
const BRIGHT = `[...document.querySelectorAll("body, body *:not(img, .u-marker)")].filter((one) => {
  const [r, g, b, alpha = 1] = getComputedStyle(one).backgroundColor.match(/[\\d.]+/g).map(Number);
  return alpha > 0.5 && (r + g + b) / 3 > 128 && one.checkVisibility();
}).map((one) => one.outerHTML.slice(0, 160))`;

Deno.test("axe-core finds nothing on any page, narrow and dark or wide and light; dark pages have no bright areas", async () => {
  for (const [scheme, width] of [["dark", 360], ["light", 1_280]] as const) {
    await eachPage(scheme, async (page, name) => {
      await page.resize(width);
      await new Promise((resolve) => setTimeout(resolve, 100));
      assertEquals(await findViolations(page), [], `${name}, ${scheme}`);
      if (scheme === "dark") assertEquals(await page.evaluate(BRIGHT), [], name);
      // Plots are turned like drawings are.
      const filter = `getComputedStyle(document.querySelector("img")).filter !== "none"`;
      if (name === "a report of points") assertEquals(await page.evaluate(filter), scheme === "dark");
    });
  }
});

/** Texts and figures in folded parts that would be missing on paper. */
const FOLDED = `[...document.querySelectorAll("section > details > :not(summary, .controls)")]
  .filter((one) => !one.checkVisibility({ contentVisibilityAuto: true })).length`;

Deno.test("pages print with all of their sections and without their controls, and move nothing for whoever asks for that", async () => {
  await eachPage("dark", async (page, name) => {
    await page.emulate("print", {});
    assertEquals(await page.evaluate(FOLDED), 0, name);
    const controls =
      `[...document.querySelectorAll("nav, .controls, .slider, .copies, #compare button")].filter((one) => one.checkVisibility()).length`;
    assertEquals(await page.evaluate(controls), 0, name);
    assert((await page.print()).startsWith("JVBERi0"), name);
    await page.emulate("", { "prefers-reduced-motion": "reduce" });
    const moving = `[...document.querySelectorAll("*")].filter((one) => {
      const { scrollBehavior, animationName, transitionDuration } = getComputedStyle(one);
      return scrollBehavior === "smooth" || animationName !== "none" || parseFloat(transitionDuration) > 0;
    }).length`;
    assertEquals(await page.evaluate(moving), 0, name);
    await page.emulate("", { "prefers-color-scheme": "dark" });
  });
});
