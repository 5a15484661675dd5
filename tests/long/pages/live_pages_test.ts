import { assert, assertEquals, assertNotEquals, assertStringIncludes } from "@std/assert";
import { renderRun } from "../../../pages/live/run.ts";
import { renderTable } from "../../../pages/live/table.ts";
import { curvePlaces } from "../../../pages/report/charts.ts";
import { pictures } from "../../../pages/report/frames.ts";
import { comparisonSlots } from "../../../pages/report/comparison_slots.ts";
import { ASSETS, type Page, partsOf, renderServed } from "../../../pages/report/page.ts";
import { gridCells, imageGrid } from "../../../science/pictures/image_grid.ts";
import { encodePng } from "../../../science/formats/png_encoder.ts";
import { curve, liveRun, manyRuns } from "../../support/live_runs.ts";
import { until as waitFor } from "../../support/until.ts";
import { findViolations } from "../../browser/axe.ts";
import { Chromium, findChromium, type Page as Tab } from "../../browser/chromium.ts";

const SIZE = { height: 8, width: 8, channels: 1 } as const;

/** Returns a grid of four images, whose shades identify the image and the step. */
function grid(step: number): Uint8Array<ArrayBuffer> {
  const images = [0, 60, 120, 180].map((shade) => new Uint8Array(64).fill(shade + step % 60));
  return encodePng(imageGrid(images, SIZE));
}

/** The content security policy of the server's pages, as `ui` sends it. */
const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
  "base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/** A server of pages that a test changes. */
class Site implements AsyncDisposable {
  readonly pages: Record<string, Page> = {};
  isLive = true;
  #streams = new Set<ReadableStreamDefaultController<Uint8Array>>();
  #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #end = new AbortController();
  readonly port: number;

  constructor(port: number = 0) {
    const options = { hostname: "127.0.0.1", port, signal: this.#end.signal, onListen() {} };
    this.#server = Deno.serve(options, (request) => this.#answer(request));
    this.port = this.#server.addr.port;
  }

  #answer({ url }: Request): Response {
    const { pathname } = new URL(url);
    const answer = (body: BodyInit, type: string) =>
      new Response(body, { headers: { "Content-Type": type, "Content-Security-Policy": POLICY } });
    if (pathname === "/app.js") return answer(ASSETS["/app.js"], "text/javascript; charset=utf-8");
    if (pathname === "/style.css") return answer(ASSETS["/style.css"], "text/css; charset=utf-8");
    const [, step] = /(\d+)\.png$/.exec(pathname) ?? [];
    if (step !== undefined) return answer(grid(Number(step)), "image/png");
    if (pathname === "/events") {
      let own: ReadableStreamDefaultController<Uint8Array>;
      const start = (stream: typeof own) => {
        this.#streams.add(own = stream);
        stream.enqueue(new TextEncoder().encode("retry: 100\n\n"));
      };
      return answer(new ReadableStream({ start, cancel: () => void this.#streams.delete(own) }), "text/event-stream");
    }
    const page = this.pages[pathname];
    if (page === undefined) return new Response("", { status: 404 });
    // A browser opens at most six connections to a server, and each listening page keeps one.
    return answer(renderServed(page, this.isLive ? "/events" : undefined), "text/html; charset=utf-8");
  }

  tell(event: string, data: unknown): void {
    const text = `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
    for (const stream of this.#streams) stream.enqueue(new TextEncoder().encode(text));
  }

  get listeners(): number {
    return this.#streams.size;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // The connections end at once, as when the server's process ends.
    this.#end.abort();
    await this.#server.finished;
  }
}

/** Waits until an expression in the page has a value. */
async function until(tab: Tab, expression: string, wanted: unknown): Promise<void> {
  for (let i = 0; i < 600; i++) {
    if (JSON.stringify(await tab.evaluate(expression)) === JSON.stringify(wanted)) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assertEquals(await tab.evaluate(expression), wanted);
}

async function tabTo(tab: Tab, selector: string): Promise<void> {
  const reached = () => tab.evaluate(`document.activeElement.matches(${JSON.stringify(selector)})`);
  for (let i = 0; i < 80 && !(await reached()); i++) await tab.press("Tab");
  assert(await reached(), selector);
}

const CAPTION = "document.querySelector('#overview figcaption b').textContent";
const CANVASES = "document.querySelectorAll('.charts canvas').length";

Deno.test("a page of a run takes in what changes, and leaves what its reader has set", async () => {
  const path = await findChromium();
  if (path === undefined) return;
  await using browser = await Chromium.start(path);
  let site = new Site();
  try {
    const run = liveRun();
    site.pages["/run"] = renderRun(run, { curves: [curve("train", 300)] });
    const tab = await browser.newPage({ width: 1280, height: 900, colorScheme: "light" });
    await tab.open(`http://127.0.0.1:${site.port}/run`);
    // The first screen has the loss, too.
    await until(tab, CANVASES, 4);
    assertEquals(await tab.evaluate(CAPTION), "train: preview, after 1,000 steps");
    await waitFor("the page to listen", () => site.listeners > 0);

    const withPreviews = (previews: readonly number[]) => {
      const stages = run.stages.map((stage) => stage.id === "train" ? { ...stage, previews } : stage);
      const page = renderRun({ ...run, stages }, { curves: [curve("train", 300)] });
      for (const part of partsOf(page)) site.tell("part", part);
    };
    // A reader who has not moved the slider sees the last step, also when new steps arrive.
    withPreviews([250, 500, 750, 1_000, 1_250]);
    await until(tab, CAPTION, "train: preview, after 1,250 steps");
    await tabTo(tab, "#steps");
    await tab.press("ArrowLeft");
    await tab.press("ArrowLeft");
    await until(tab, CAPTION, "train: preview, after 750 steps");
    await tab.evaluate(
      "document.querySelector('#params details').open = true, document.querySelector('#log-scale').click()",
    );
    withPreviews([250, 500, 750, 1_000, 1_250, 1_500]);
    await until(tab, "document.querySelectorAll('#overview img').length", 6);
    const kept = `[${CAPTION}, document.activeElement.id, document.querySelector('#params details').open,
      document.querySelector('#log-scale').checked, document.querySelector('#steps').max, ${CANVASES}]`;
    assertEquals(await tab.evaluate(kept), ["train: preview, after 750 steps", "steps", true, false, "5", 4]);

    const before = await tab.picture(".charts");
    await tab.evaluate("globalThis.chart = document.querySelector('.charts canvas')");
    site.tell("rows", { stage: "train", run: "train", rows: curve("train", 3_000, 200).rows });
    await until(tab, "document.querySelectorAll('.charts .u-value').length > 0", true);
    assertNotEquals(await tab.picture(".charts"), before);
    assertEquals(await tab.evaluate("chart.isConnected"), true);
    // A stage that begins to report gets its own charts.
    const two = renderRun(run, { curves: [curve("train", 300), curve("classifier", 10)] });
    for (const part of partsOf(two)) site.tell("part", part);
    site.tell("rows", { stage: "classifier", run: "classifier", rows: curve("classifier", 10).rows });
    await until(tab, CANVASES, 7);
    assertEquals(await tab.evaluate("chart.isConnected"), true);
    assertEquals(tab.problems, []);

    // A browser opens at most six connections to a server, so a hidden page closes its own, and has the complete
    // current state when it is shown again.
    const other = await browser.newPage({ width: 1280, height: 900, colorScheme: "light", isTab: true });
    await waitFor("the page to listen no more", () => site.listeners === 0);
    assertEquals(await tab.evaluate("[document.hidden, document.querySelector('#gone').hidden]"), [true, true]);
    await tab.show();
    await waitFor("the page to listen", () => site.listeners > 0);
    withPreviews([250, 500]);
    await until(tab, "document.querySelectorAll('#overview img').length", 2);
    assertEquals([tab.problems, other.problems], [[], []]);

    const { port } = site;
    await site[Symbol.asyncDispose]();
    await until(tab, "document.querySelector('#gone').hidden", false);
    assertStringIncludes(await tab.evaluate("document.querySelector('#gone').innerText"), "run deno task ui");
    site = new Site(port);
    await until(tab, "document.querySelector('#gone').hidden", true);
    withPreviews([250]);
    await until(tab, "document.querySelectorAll('#overview img').length", 1);
    site.tell("gone", {});
    await until(
      tab,
      "document.querySelector('#gone').textContent",
      "The run or comparison of this page no longer exists.",
    );
    // The page makes no further request.
    await other.show();
    await tab.show();
    await waitFor("the page to listen no more", () => site.listeners === 0);
    assertEquals(
      await tab.evaluate("document.querySelector('#gone').textContent"),
      "The run or comparison of this page no longer exists.",
    );
  } finally {
    await site[Symbol.asyncDispose]();
  }
});

Deno.test("runs stay selected on other pages of the table, and all of them are compared", async () => {
  const path = await findChromium();
  if (path === undefined) return;
  await using browser = await Chromium.start(path);
  await using site = new Site();
  site.isLive = false;
  const runs = manyRuns(30);
  const shown = (query: string) => renderTable(runs, new URLSearchParams(query));
  // Two filters of the same table, as two addresses, which show runs of different files.
  [site.pages["/"], site.pages["/emoji"]] = [shown("q=ablation"), shown("q=emoji")];
  site.pages["/compare"] = shown("q=nothing");
  const tab = await browser.newPage({ width: 1_000, height: 900, colorScheme: "light" });
  const at = (path: string) => tab.open(`http://127.0.0.1:${site.port}${path}`);
  const ids: string[] = [];
  for (const path of ["/", "/emoji"]) {
    await at(path);
    ids.push(await tab.evaluate("document.querySelector('#compare [name=run]').value"));
    await tab.evaluate("document.querySelector('#compare [name=run]').click()");
  }
  assertEquals(await tab.evaluate("document.querySelector('#selection').textContent"), "2 selected");
  await at("/");
  const checked = "[...document.querySelectorAll('#compare [name=run]:checked')].map(({ value }) => value)";
  assertEquals(await tab.evaluate(checked), [ids[0]]);
  await at("/emoji");
  await tab.evaluate("document.querySelector('#compare [name=run]').click()");
  assertEquals(await tab.evaluate("document.querySelector('#selection').textContent"), "1 selected");
  await tab.evaluate("document.querySelector('#clear').click()");
  assertEquals(await tab.evaluate("[document.querySelector('#clear').hidden, sessionStorage.length]"), [true, 1]);
  await tab.evaluate("document.querySelector('#compare [name=run]').click()");
  await at("/");
  await tab.evaluate("document.querySelector('#compare [name=run]').click()");
  await tab.evaluate("document.querySelector('#compare button').click()");
  await until(tab, "location.pathname", "/compare");
  assertEquals(await tab.evaluate("new URLSearchParams(location.search).getAll('run').sort()"), ids.toSorted());
});

Deno.test("pages of a server fit narrow and dark windows, name their controls, and compare from the keyboard", async () => {
  const path = await findChromium();
  if (path === undefined) return;
  await using browser = await Chromium.start(path);
  await using site = new Site();
  site.isLive = false;
  const cells = { count: 4, ...gridCells(4, SIZE) };
  const samples = ["a", "b"].flatMap((name) =>
    [10, 20].map((step) => ({
      title: name,
      note: name,
      href: `/run/${name}`,
      source: `/object/${name === "a" ? step : step + 25}.png`,
      step,
      cells,
    }))
  );
  const runs = ["a", "b"].map((label) => ({ label, href: `/run/${label}`, rows: curve("train", 50).rows }));
  const groups = [{ title: "train", runs }];
  site.pages["/"] = renderTable(manyRuns(30), new URLSearchParams());
  site.pages["/run"] = renderRun(liveRun(), {
    curves: [curve("train", 300)],
    log: { stage: "train", text: `${"x".repeat(500)}\n`.repeat(50) },
  });
  site.pages["/compare"] = {
    ...{ title: "Comparison", subtitle: "2", notes: [], curves: groups },
    sections: [
      { id: "curves", title: "Training", body: curvePlaces(groups) },
      { id: "samples", title: "Samples", body: pictures(samples) },
      { id: "beside", title: "Side by side", body: comparisonSlots(samples) },
    ],
  };
  for (const [width, colorScheme] of [[640, "light"], [360, "dark"]] as const) {
    for (const name of Object.keys(site.pages)) {
      const tab = await browser.newPage({ width, height: 900, colorScheme });
      await tab.open(`http://127.0.0.1:${site.port}${name}`);
      // Wide elements scroll by themselves; the page does not.
      assertEquals(await tab.evaluate("document.documentElement.scrollWidth <= innerWidth"), true, `${name} ${width}`);
      const unnamed =
        `[...document.querySelectorAll("input:not([type=hidden]), select, button, progress, svg[role=img]")]
        .filter((one) => !(one.labels?.length || one.ariaLabel || one.textContent.trim())).map((one) => one.outerHTML)`;
      assertEquals(await tab.evaluate(unnamed), []);
      if (width === 360) assertEquals(await findViolations(tab), [], name);
      const ids = "[...document.querySelectorAll('[id]')].map(({ id }) => id)";
      assertEquals(await tab.evaluate(`${ids}.length - new Set(${ids}).size`), 0);
      assertEquals(tab.problems, []);
      // The end of a log is visible first.
      const under = `(() => {
        const [pre, text] = [document.querySelector("#log pre"), new Range()];
        text.selectNodeContents(pre);
        return text.getBoundingClientRect().bottom - pre.getBoundingClientRect().bottom;
      })()`;
      if (name === "/run") assert(await tab.evaluate(under) < 1);
      if (name !== "/compare") continue;
      // One legend for all charts of a stage.
      const links = "[...document.querySelectorAll('.legend a')].map(({ pathname }) => pathname)";
      assertEquals(await tab.evaluate(links), ["/run/a", "/run/b"]);
      // The name of each picture is a link too, whatever step the picture shows.
      const captions =
        "[...document.querySelectorAll('#samples figcaption a')].map((a) => [a.pathname, a.textContent])";
      const captionsAfter = (step: number) =>
        ["a", "b"].map((name) => [`/run/${name}`, `${name}, after ${step} steps`]);
      assertEquals(await tab.evaluate(captions), captionsAfter(20));
      await tabTo(tab, "#steps");
      await tab.press("ArrowLeft");
      assertEquals(await tab.evaluate(captions), captionsAfter(10));
      await tab.press("ArrowRight");
      // Both of two equal curves are visible.
      const pixels = (color: string) =>
        tab.evaluate(`(() => {
          const canvas = document.querySelector(".charts canvas");
          const wanted = getComputedStyle(document.documentElement).getPropertyValue("${color}").match(/[0-9a-f]{2}/g);
          const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          const isWanted = (_, i) => i % 4 === 0 && wanted.every((hex, k) => Math.abs(data[i + k] - parseInt(hex, 16)) < 12);
          return Array.from(data).filter(isWanted).length;
        })()`);
      for (const color of ["--blue", "--orange"]) assert(await pixels(color) > 40, `${color}: ${await pixels(color)}`);
      await until(tab, "document.querySelector('#over').alt", "b, after 20 steps. b");
      const first = await tab.picture("canvas[data-frame]");
      await tabTo(tab, "#cell");
      await tab.evaluate(
        "document.activeElement.stepUp(), document.activeElement.dispatchEvent(new Event('input', { bubbles: true }))",
      );
      assertNotEquals(await tab.picture("canvas[data-frame]"), first);
      const swipe = await tab.picture(".swipe");
      await tabTo(tab, "#edge");
      for (let i = 0; i < 20; i++) await tab.press("ArrowRight");
      assertNotEquals(await tab.picture(".swipe"), swipe);
      assertEquals(await tab.evaluate("document.querySelector('.swipe').style.getPropertyValue('--edge')"), "70%");
      assertEquals(tab.problems, []);
    }
  }
});
