import { assertEquals, assertNotEquals } from "@std/assert";
import { join } from "node:path";
import type { Report } from "../../../report/model.ts";
import { renderReport } from "../../../report/page.ts";
import { encodePng } from "../../../formats/png_encoder.ts";
import { Chromium, findChromium } from "../../browser/chromium.ts";

const picture = (shade: number) =>
  encodePng({ width: 8, height: 8, channels: 1, data: new Uint8Array(64).fill(shade) });

const REPORT: Report = {
  title: "browser",
  subtitle: "test",
  notes: [],
  stages: [
    { id: "train", kind: "train", state: "cached", reads: [], durationMs: 1_000, params: [] },
    {
      id: "sample",
      kind: "sample",
      state: "cached",
      reads: ["train"],
      params: [{ path: "with.count", value: 4, origin: ["p.yaml:1:2"] }],
    },
  ],
  curves: [{
    title: "train",
    rows: Array.from({ length: 50 }, (_, i) => ({ step: i + 1, loss: 1 / (i + 1), gradNorm: 0.5, learningRate: 1e-3 })),
  }],
  samples: [10, 20, 30].map((step) => ({ title: "sample", note: "n", source: picture(step), step })),
  data: [],
  films: [{
    title: "film",
    note: "",
    source: encodePng({ width: 2_000, height: 8, channels: 1, data: new Uint8Array(16_000) }),
  }],
  schedules: [{
    title: "schedule",
    note: "",
    isDrawing: true,
    source: new TextEncoder().encode('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'),
  }],
  rates: [],
  metrics: [],
  neighbours: [],
  demos: [],
};

Deno.test("a report opens from disk in a browser without an error, and its controls work from the keyboard", async () => {
  const executablePath = await findChromium();
  if (executablePath === undefined) return;
  const folder = await Deno.makeTempDir({ prefix: "noiseline-browser-" });
  await using browser = await Chromium.start(executablePath);
  try {
    const path = join(folder, "report.html");
    await Deno.writeTextFile(path, renderReport(REPORT));
    for (const [width, colorScheme] of [[1280, "light"], [1000, "light"], [420, "dark"]] as const) {
      const page = await browser.newPage({ width, height: 900, colorScheme });
      await page.open(`file://${path}`);
      const asked = page.requests.filter((url) => !/^(file|data|blob):/.test(url));
      assertEquals([page.problems, asked], [[], []]);
      assertEquals(await page.evaluate("document.querySelectorAll('canvas').length"), 3);
      // Wide elements scroll by themselves; the page does not.
      assertEquals(
        await page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"),
        true,
      );

      const shown = () => page.evaluate("document.querySelector('#samples img:not([hidden])').alt");
      assertEquals(await shown(), "sample, after 30 steps. n");
      const reached = () => page.evaluate("document.activeElement.matches('.slider input')");
      for (let i = 0; i < 40 && !(await reached()); i++) await page.press("Tab");
      await page.press("ArrowLeft");
      assertEquals(await shown(), "sample, after 20 steps. n");
      const valueText = "document.querySelector('.slider input').ariaValueText";
      assertEquals(await page.evaluate(valueText), "after 20 steps");

      const before = await page.picture(".charts");
      await page.evaluate("document.querySelector('#log-scale').focus()");
      await page.press(" ");
      assertNotEquals(await page.picture(".charts"), before);
      // A curve that is not smoothed has one value in its legend.
      const legend =
        "[...document.querySelector('.u-legend').querySelectorAll('.u-label')].map((one) => one.innerText)";
      assertEquals(await page.evaluate(legend), ["step", "each step", "smoothed"]);
      await page.evaluate("document.querySelector('#smoothing').focus()");
      for (let i = 0; i < 91; i++) await page.press("ArrowLeft");
      assertEquals(await page.evaluate(legend), ["step", "each step"]);
      assertEquals(page.problems, []);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
