import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { join } from "node:path";
import type { Report } from "../../../pages/report/model.ts";
import { renderReport } from "../../../pages/report/page.ts";
import { encodePng } from "../../../science/formats/png_encoder.ts";
import { gridCells, imageGrid } from "../../../science/pictures/image_grid.ts";
import { findViolations } from "../../browser/axe.ts";
import { Chromium, findChromium } from "../../browser/chromium.ts";

/** Waits up to a minute for an expression in a page to be true, however busy the machine is. */
async function comes(page: { evaluate(text: string): Promise<unknown> }, expression: string): Promise<void> {
  for (let looks = 0; looks < 1_200 && await page.evaluate(expression) !== true; looks++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assertEquals(await page.evaluate(expression), true, expression);
}

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
  pictures: [],
  rankings: [],
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
      // The loss is on the first screen, too.
      assertEquals(await page.evaluate("document.querySelectorAll('canvas').length"), 4);
      // Wide elements scroll by themselves; the page does not.
      assertEquals(
        await page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"),
        true,
      );

      if (width !== 1000) assertEquals(await findViolations(page), []);
      const shown = () => page.evaluate("document.querySelector('#overview img:not([hidden])').alt");
      assertEquals(await shown(), "sample, after 30 steps. n");
      const reached = () => page.evaluate("document.activeElement.matches('.slider input')");
      for (let i = 0; i < 40 && !(await reached()); i++) await page.press("Tab");
      await page.press("ArrowLeft");
      assertEquals(await shown(), "sample, after 20 steps. n");
      const valueText = "document.querySelector('.slider input').ariaValueText";
      assertEquals(await page.evaluate(valueText), "after 20 steps");

      const before = await page.picture("#training .charts");
      await page.evaluate("document.querySelector('#log-scale').focus()");
      await page.press(" ");
      assertNotEquals(await page.picture("#training .charts"), before);
      // A curve that is not smoothed has one value in its legend.
      const legend =
        "[...document.querySelector('.u-legend').querySelectorAll('.u-label')].map((one) => one.innerText)";
      assertEquals(await page.evaluate(legend), ["step", "as logged", "smoothed"]);
      await page.evaluate("document.querySelector('#smoothing').focus()");
      for (let i = 0; i < 91; i++) await page.press("ArrowLeft");
      assertEquals(await page.evaluate(legend), ["step", "as logged"]);
      assertEquals(page.problems, []);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("figures are copied: charts, the graph and drawings as SVG and PNG, grids as PNG; drawings run no script", async () => {
  const executablePath = await findChromium();
  if (executablePath === undefined) return;
  const folder = await Deno.makeTempDir({ prefix: "noiseline-browser-" });
  await using browser = await Chromium.start(executablePath);
  try {
    const path = join(folder, "report.html");
    const drawing = '<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="30" height="20" ' +
      `onload="top.document.title='ran'"><script>top.document.title = "ran"</script><rect width="30" height="20"/></svg>`;
    // Figures whose ranges of timesteps end at different places, and one with a single range.
    const ranges = (name: string, ...starts: number[]) =>
      starts.map((from) => ({ name, value: 1 + from, count: 9, timesteps: { from, to: from + 1 } }));
    const metrics = [...ranges("L_simple", 0, 100, 200), ...ranges("L_t", 0, 50, 90), ...ranges("L_0", 0)];
    const ranged = { title: "evaluate", record: { format: 1 as const, seed: 0, images: {}, metrics } };
    const own = {
      title: "plot <b>",
      note: "a caption </figcaption>",
      isDrawing: true,
      source: new TextEncoder().encode(drawing),
    };
    await Deno.writeTextFile(path, renderReport({ ...REPORT, pictures: [own], metrics: [ranged] }));
    const page = await browser.newPage({ width: 1_280, height: 900, colorScheme: "light" });
    await page.open(`file://${path}`);
    await page.evaluate(`globalThis.copied = [];
      navigator.clipboard.writeText = async (text) => copied.push(text);
      navigator.clipboard.write = async ([item]) => copied.push(await item.getType("image/png")); undefined`);
    const copy = async (figure: string, form: "svg" | "png") => {
      await page.evaluate(
        `copied.length = 0; document.querySelector(${
          JSON.stringify(figure)
        }).querySelector("[data-form=${form}]").click()`,
      );
      await comes(page, "copied.length > 0");
    };
    const text = async (figure: string) => {
      await copy(figure, "svg");
      return await page.evaluate("copied[0]") as string;
    };
    // Pixels of a copied picture: its size, and how many colours it has.
    const pixels = async (figure: string): Promise<[number, number, number]> => {
      await copy(figure, "png");
      await page.evaluate(`globalThis.seen = undefined; createImageBitmap(copied[0]).then((bitmap) => {
        const context = Object.assign(document.createElement("canvas"), { width: bitmap.width, height: bitmap.height }).getContext("2d");
        context.drawImage(bitmap, 0, 0);
        const all = new Uint32Array(context.getImageData(0, 0, bitmap.width, bitmap.height).data.buffer);
        seen = [bitmap.width, bitmap.height, new Set(all).size];
      }); undefined`);
      for (;;) {
        const seen = await page.evaluate("globalThis.seen");
        if (seen !== undefined) return seen;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    };
    const charts = "[...document.querySelectorAll('#likelihood .u-title')].map(({ textContent }) => textContent)";
    assertEquals(await page.evaluate(charts), ["L_simple", "L_t"]);
    const cells = "[...document.querySelectorAll('#likelihood td')].map(({ innerText }) => innerText)";
    assertEquals((await page.evaluate(cells)).slice(0, 2), ["L_0 timesteps 0 to 1", "1"]);
    const isSvg = (svg: string) =>
      page.evaluate(
        `new DOMParser().parseFromString(${
          JSON.stringify(svg)
        }, "image/svg+xml").querySelector("parsererror") === null`,
      );
    const chart = await text("#training .chart");
    assertEquals([await isSvg(chart), chart.includes(">loss</text>"), chart.includes(">step</text>")], [
      true,
      true,
      true,
    ]);
    // The curve of each step, and the smoothed one, each with its 50 points.
    assertEquals([...chart.matchAll(/d="(M[^"]*L[^"]*)"/g)].map(([, path]) => path!.split("L").length), [50, 50]);
    const graph = await text("#pipeline .drawn");
    assertEquals([await isSvg(graph), /<text[^>]* fill="rgb/.test(graph), graph.includes("train")], [true, true, true]);
    assertEquals(await text("#samples .frames"), drawing);
    assertEquals(await pixels("#samples .frames"), [30 * 53, 20 * 53, 1]);
    const [width, height, colours] = await pixels("#training .chart");
    assert(width >= 600 && height >= 500 && colours > 10, `${width} ${height} ${colours}`);
    // 8 pixels a side, 80 times as large.
    assertEquals(await pixels("#overview .frames"), [640, 640, 1]);
    assertEquals(await page.evaluate("document.querySelector('#overview .frames [data-form=svg]')"), null);
    assertEquals(
      await page.evaluate("[document.title, document.querySelectorAll('main script, main b > b, [onload]').length]"),
      ["browser", 0],
    );
    assertEquals(page.problems, []);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

/** A grid of `labels.length` images of 16x16 with two columns a class, and what a page says of it. */
const CLASSES = ["cat", "dog", "a name that is far too long for its column"];
const GRID: Report["samples"][number] = {
  ...{ title: "sample", note: "n" },
  source: encodePng(imageGrid(
    Array.from({ length: 12 }, (_, i) => new Uint8Array(256).fill(40 + 80 * (i % 3))),
    { width: 16, height: 16, channels: 1 },
  )),
  cells: { count: 12, ...gridCells(12, { width: 16, height: 16 }) },
  labels: Array.from({ length: 12 }, (_, i) => CLASSES[i % 3]!),
};

Deno.test("a page shows samples by class, sorts and completes its tables, copies numbers and unfolds what a link names", async () => {
  const executablePath = await findChromium();
  if (executablePath === undefined) return;
  const folder = await Deno.makeTempDir({ prefix: "noiseline-browser-" });
  await using browser = await Chromium.start(executablePath);
  try {
    const path = join(folder, "report.html");
    const children = Array.from({ length: 20 }, (_, i) => `~lr=${i + 1}`);
    const metrics = children.map((child, i) => ({
      title: `score${child}`,
      record: {
        ...{ format: 1 as const, seed: 0, images: {} },
        metrics: [{ name: "FID", value: Math.abs(i - 4) + 0.5, count: 9 }],
      },
    }));
    await Deno.writeTextFile(path, renderReport({ ...REPORT, samples: [GRID], metrics: [] }));
    const page = await browser.newPage({ width: 1_280, height: 900, colorScheme: "light" });
    await page.open(`file://${path}`);
    // One row for each class, in which all images have its shade.
    const rows = `[...document.querySelectorAll(".classes canvas")].map((canvas) => {
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      return [...new Set(data.filter((_, i) => i % 4 === 0 && data[i + 3] === 255))];
    })`;
    assertEquals(await page.evaluate(rows), [[40], [120], [200]]);
    assertEquals(
      await page.evaluate("[...document.querySelectorAll('.classes span')].map((one) => one.title)"),
      CLASSES,
    );
    const seen =
      `["#overview .classes", "#overview .scroll"].map((one) => document.querySelector(one).checkVisibility())`;
    assertEquals(await page.evaluate(seen), [true, false]);
    await page.evaluate("document.querySelector('.by-class').click()");
    assertEquals(await page.evaluate(seen), [false, true]);

    assertEquals(await page.evaluate("document.querySelector('#params details').open"), false);
    await page.evaluate("document.querySelector('nav a[href=\"#params\"]').click()");
    await comes(page, "document.querySelector('#params details').open");
    await page.evaluate("document.querySelector('#params [data-copy]').click()");
    await comes(page, "document.querySelector('#params [data-copy]').matches('.copied')");
    assertEquals(page.problems, []);

    const curves = [0, 1].map((seed) => ({ ...REPORT.curves[0]!, title: `train~lr=1~seed=${seed}` }));
    await Deno.writeTextFile(path, renderReport({ ...REPORT, samples: [], metrics, curves }));
    const sweep = await browser.newPage({ width: 360, height: 900, colorScheme: "dark" });
    await sweep.open(`file://${path}`);
    const legend = "[...document.querySelectorAll('#training .legend > *')].map(({ textContent }) => textContent)";
    assertEquals(await sweep.evaluate(legend), ["lr=1, seed=0", "lr=1, seed=1"]);
    const first = "[...document.querySelectorAll('#overview .scroll tbody tr')].map((row) => row.cells[0].textContent)";
    const bestFirst = await sweep.evaluate(first);
    assertEquals([bestFirst.length, ...bestFirst.slice(0, 2), bestFirst.at(-1)], [13, "5", "4", "show 8 more"]);
    await sweep.evaluate("document.querySelector('#overview .sort').click()");
    assertEquals(await sweep.evaluate(first), children.map((_, i) => `${i + 1}`));
    await sweep.evaluate("document.querySelector('#overview .sort').click()");
    assertEquals((await sweep.evaluate(first))[0], "20");
    assertEquals(await sweep.evaluate("document.querySelector('#overview th').ariaSort"), "descending");
    assertEquals(
      await sweep.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"),
      true,
    );
    assertEquals(sweep.problems, []);
    assertEquals(await findViolations(sweep), []);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
