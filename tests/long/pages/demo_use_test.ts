import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { findViolations } from "../../browser/axe.ts";
import { bytesOf, drawnOn, ignore, onPages, removePages, SIZE, submit } from "../../support/demo_page.ts";
import { until } from "../../support/until.ts";

Deno.test.afterAll(removePages);

Deno.test({
  name: "a link carries the settings, and one that asks for others than the page has says so",
  ignore,
  fn: () =>
    onPages(async (open) => {
      const settings = { seed: 9, sampler: "heun", steps: 2, guidance: 2.5, count: 3 };
      const { page } = await open("wasm");
      await page.evaluate("document.querySelector('[name=labels][value=\"4\"]').click()");
      await submit(page, "draw", settings);
      const images = await bytesOf(page, "images");
      assertEquals(
        await page.evaluate("[...document.querySelectorAll('#images .grid button')].map((one) => one.textContent)"),
        ["4", "4", "4"],
      );
      const hash: string = await page.evaluate("location.hash");
      // Both networks of a guided step are seen in the images, and the page opens with those of the link.
      const { page: opened, state } = await open("wasm", { hash });
      assertStringIncludes(state, "3 images in");
      assertEquals(await bytesOf(opened, "images"), images);
      assertEquals(await opened.evaluate("document.getElementById('made').hidden"), true);
      assertEquals(await opened.evaluate("document.querySelector('[name=guidance]').value"), "2.5");
      // Another link that is followed on the page.
      await opened.evaluate("location.hash = '#backend=wasm&count=2'");
      // A page that is being loaded again cannot be asked.
      for (let said = ""; !said.startsWith("2 images in");) said = await drawnOn(opened).catch(() => "");
      for (const asked of ["seed=-1", "sampler=none", "steps=1e9", "labels=77", "count=x"]) {
        const { state } = await open("wasm", { hash: `#backend=wasm&${asked}` });
        assertEquals(state, "The link asks for settings that this page does not have, so it shows its own.", asked);
      }
    }),
});

Deno.test({
  name: "a mask is painted by a mouse and by a finger, and films play",
  ignore,
  fn: () =>
    onPages(async (open) => {
      const { page } = await open("wasm");
      const masked = `(() => {
        const { width, height } = document.querySelector("#mask");
        const { data } = document.querySelector("#mask").getContext("2d").getImageData(0, 0, width, height);
        return Array.from({ length: width * height }, (_, i) => data[4 * i] !== data[4 * i + 2]);
      })()`;
      await page.evaluate("document.querySelector('[name=brush]').value = 1");
      for (const by of ["mouse", "touch"] as const) {
        await page.evaluate("document.getElementById('clear').click()");
        // Along the second row of eight, with one move from end to end.
        await page.drag("#mask", by, [[0.5 / 8, 1.5 / 8], [7.5 / 8, 1.5 / 8]]);
        const marked: boolean[] = await page.evaluate(masked);
        assertEquals(marked, Array.from({ length: SIZE }, (_, i) => Math.floor(i / 8) === 1), by);
      }
      const place = "document.querySelector('#images input').value";
      await page.evaluate("document.querySelector('#images .controls button').click()");
      assertEquals(await page.evaluate(place), "0");
      await until("the last step", async () => await page.evaluate(place) === "3");
      assertEquals(await page.evaluate("document.querySelector('#images .controls button').textContent"), "Play");
    }),
});

Deno.test({
  name: "axe-core finds nothing on a page, before and after sampling, and the page fits its window",
  ignore,
  fn: () =>
    onPages(async (open) => {
      for (const [width, colorScheme] of [[360, "dark"], [1_920, "light"]] as const) {
        const { page } = await open("wasm", { width, colorScheme });
        await page.evaluate("document.getElementById('what').open = true");
        await submit(page, "way", { points: 33 });
        assertEquals(await findViolations(page), []);
        assertEquals(await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), true);
      }
    }),
});

Deno.test({
  name: "a browser without WebAssembly shows what was made beforehand, with its film, and says why it cannot sample",
  ignore,
  fn: () =>
    onPages(async (open, drawn) => {
      // In the code that the page and its workers run.
      const change = (text: string) => text.replace('id="demo-code">', "$&delete globalThis.WebAssembly;");
      const { page, state } = await open("wasm", { change });
      assertStringIncludes(state, "This browser cannot sample: WebAssembly cannot be used (");
      assertEquals((await bytesOf(page, "images")).length, drawn.length);
      await page.evaluate("document.querySelector('#images input').focus()");
      await page.press("ArrowLeft");
      assertEquals(
        await page.evaluate("document.querySelector('#images b').textContent"),
        "Noise to image: step 2 of 3",
      );
      assertEquals(await page.evaluate("document.querySelector('#draw button:not([type])').disabled"), true);
    }),
});

Deno.test({
  name: "whoever asks for less motion sees images when they are done, and not how they come about",
  ignore,
  fn: () =>
    onPages(async (open) => {
      const { page } = await open("wasm");
      await page.evaluate(`{
        globalThis.painted = 0;
        const { putImageData } = CanvasRenderingContext2D.prototype;
        CanvasRenderingContext2D.prototype.putImageData = function (...given) {
          painted += this.canvas.closest("#images") ? 1 : 0;
          putImageData.apply(this, given);
        };
      }`);
      const paintedBy = async () => {
        await page.evaluate("painted = 0");
        await submit(page, "draw", { count: 2 });
        return await page.evaluate("painted");
      };
      // Two workers with an image each, seen before each of three steps and at the end, and some more for the other.
      assert(await paintedBy() >= 8);
      await page.evaluate("globalThis.matchMedia = () => ({ matches: true })");
      assert(await paintedBy() <= 4);
    }),
});
