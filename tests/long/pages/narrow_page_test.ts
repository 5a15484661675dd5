import { assert, assertEquals } from "@std/assert";
import type { Report } from "../../../pages/report/model.ts";
import { renderReport } from "../../../pages/report/page.ts";
import { Chromium, findChromium } from "../../browser/chromium.ts";
import { NOTHING, stage } from "../../support/report.ts";

const scored = (title: string, metrics: Report["metrics"][number]["record"]["metrics"]) => ({
  title,
  record: { format: 1 as const, seed: 0, images: {}, metrics },
});
const sweep = [1, 2, 3].flatMap((lr) =>
  [0, 1].map((seed) =>
    scored(`score~learningRate=0.00${lr}~objective=epsilon~schedule=cosine~weighting=min-snr~seed=${seed}`, [
      { name: "FID", value: lr + seed / 4, count: 9 },
    ])
  )
);
const ranking = (rung: number, candidates: readonly number[]) => ({
  title: `train-ranking~rung=${rung}`,
  record: {
    ...{ format: 1 as const, metric: "L_simple", goal: "lowest" as const },
    ranking: candidates.map((candidate) => ({ candidate, value: 0.1 + candidate })),
  },
});
const names = ["learningRate", "warmupSteps", "weightDecay", "labelDropout", "channels"];
const trials = [1, 2].map((trial) =>
  stage(`train~trial=${trial}`, [], {
    params: names.map((name) => ({ path: `with.${name}`, value: trial / 1024, origin: [] })),
  })
);
const ranges = [0, 100, 200].map((from) => {
  return { name: "L_t", value: 1 + from, deviation: 0.5, count: 9, timesteps: { from, to: from + 100 } };
});
const progress = { done: 30, total: 3_000, unit: "step" };
const REPORT: Report = {
  ...NOTHING,
  stages: [...trials, stage("train~rung=20~slot=1"), stage("train", [], { state: "running", progress })],
  metrics: [...sweep, scored("evaluate", [{ name: "L_simple", value: 1, count: 9 }, ...ranges])],
  rankings: [ranking(10, [1, 0]), ranking(20, [0])],
};

Deno.test("at 390 pixels progress, scores and FID of any table are on the screen; charts of scores have error bars", async () => {
  const executablePath = await findChromium();
  if (executablePath === undefined) return;
  const folder = await Deno.makeTempDir({ prefix: "noiseline-browser-" });
  await using browser = await Chromium.start(executablePath);
  try {
    await Deno.writeTextFile(`${folder}/report.html`, renderReport(REPORT));
    const page = await browser.newPage({ width: 390, height: 900, colorScheme: "dark" });
    await page.open(`file://${folder}/report.html`);
    await page.evaluate(`document.querySelectorAll("details").forEach((one) => one.open = true)`);
    for (
      const [section, name, count] of [["overview", "FID", 3], ["search", "L_simple", 3], ["pipeline", "progress", 1]]
    ) {
      const cells = await page.evaluate(
        `[...document.querySelectorAll('#${section} td[data-name="${name}"]:not(:empty)')].map((one) => {
          const { left, right } = one.getBoundingClientRect();
          return [left >= 0 && right <= 390 && getComputedStyle(one, "::before").content.includes("${name}")];
        }).flat()`,
      );
      assertEquals(cells, Array(Number(count)).fill(true), `${section} ${name}`);
    }
    assert(!(await page.evaluate("document.querySelector('#likelihood .u-legend').innerText")).includes("as logged"));
    // As SVG: the bars of three values, each of a line and its two ends.
    await page.evaluate(`navigator.clipboard.writeText = async (text) => globalThis.copied = text; undefined`);
    for (const [chart, bars] of [["#likelihood .chart", 3], ["#overview .chart", 3]]) {
      await page.evaluate(`copied = ""; document.querySelector("${chart} [data-form=svg]").click()`);
      const drawn = `(copied.match(/V[\\d.]+m-4 0h8M/g) ?? []).length`;
      for (let i = 0; i < 200 && await page.evaluate("copied") === ""; i++) {
        await new Promise((end) => setTimeout(end, 50));
      }
      assertEquals(await page.evaluate(drawn), bars);
    }
    assertEquals(page.problems, []);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
