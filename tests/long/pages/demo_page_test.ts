import { assert, assertEquals, assertMatch, assertNotEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { openImages } from "../../../artifacts/image_files.ts";
import { readImages } from "../../../artifacts/images.ts";
import { folderArtifact, openInput } from "../../../engine/process/context.ts";
import { makeTemporaryFolder } from "../../../engine/store/folders.ts";
import { encodeNpy } from "../../../science/formats/npy.ts";
import type { DemoData } from "../../../stages/demo/browser/protocol.ts";
import { renderPage } from "../../../stages/demo/page.ts";
import { Chromium } from "../../browser/chromium.ts";
import {
  bytesOf,
  CHROMIUM,
  COUNT,
  drawnOn,
  farthest,
  FLAGS,
  ignore,
  onPages,
  READY,
  removePages,
  SIZE,
  submit,
  YAML,
} from "../../support/demo_page.ts";
import { Project } from "../../support/project.ts";

const SAMPLER = { name: "ddim", steps: 1, eta: 0, spacing: "trailing" } as const;

Deno.test.afterAll(removePages);

Deno.test({
  name: "the page draws what sample draws, on each backend",
  ignore,
  fn: () =>
    onPages(async (open, drawn) => {
      for (const [backend, name] of [["wasm", "WebAssembly"], ["webgl", "WebGL"], ["webgpu", "WebGPU"]] as const) {
        const { page, state, about, early } = await open(backend);
        assertStringIncludes(state, `${COUNT} images in`);
        assertMatch(about, new RegExp(`^Runs on .*, by ${name}\\.$`));
        assert(farthest(early, drawn) <= 2, `made beforehand: ${farthest(early, drawn)}`);
        const shown = await bytesOf(page, "images");
        assertEquals(shown.length, drawn.length);
        // Sums in another order round differently: on wasm they sometimes give another byte, on software cards more
        // often.
        assert(farthest(shown, drawn) <= 2, `${backend}: ${farthest(shown, drawn)}`);
        assertEquals(page.problems, []);
      }
      // Software cards are not used, and the page says so.
      const { page, about } = await open("webgpu", { hash: "" });
      assertEquals(about, "Runs on your CPU, by WebAssembly.");
      assertStringIncludes(
        await page.evaluate("document.getElementById('why').textContent"),
        "WebGPU cannot be used (it would run in software).",
      );
      const { state: none } = await open("wasm", { hash: "#backend=webgpu" });
      assertStringIncludes(none, "This browser cannot sample: WebGPU cannot be used (");
    }),
});

Deno.test({
  name: "a film, a part that is painted anew by keys, the way between two seeds, and a stop",
  ignore,
  fn: () =>
    onPages(async (open) => {
      const { page } = await open("wasm", { width: 360, colorScheme: "dark" });
      assertEquals(await page.evaluate("document.querySelector('h1').textContent"), "<b>Digits</b> & more");
      const unnamed =
        `[...document.querySelectorAll("#demo :is(button, input, select, a, canvas[role])")].filter((one) =>
        !one.closest("[hidden]") &&
        !one.title && !one.ariaLabel && !one.textContent.trim() && !one.labels?.[0]?.textContent.trim()).length`;
      assertEquals(await page.evaluate(unnamed), 0);
      assertEquals(await page.evaluate("document.querySelectorAll('#images button')[4].title"), "Image 4, 4");
      assertEquals(await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), true);

      const images = await bytesOf(page, "images");
      await page.evaluate("document.querySelector('#images input').focus()");
      await page.press("ArrowLeft");
      assertEquals(
        await page.evaluate("document.querySelector('#images b').textContent"),
        "Noise to image: step 2 of 3",
      );
      assertNotEquals(await bytesOf(page, "images"), images);

      const saved = "(() => { const link = document.querySelector('#images a'); link.onclick(); return link.href; })()";
      assert((await page.evaluate(saved)).startsWith("data:image/png;base64,"));

      // The second image, in which the first three columns from the left are masked at the top.
      await page.evaluate(
        "document.querySelectorAll('#images button')[1].click(); document.querySelector('#mask').focus()",
      );
      await page.press("ArrowRight");
      await page.press(" ");
      assertEquals(await page.evaluate("document.getElementById('where').textContent"), "Row 1, column 2, marked");
      await submit(page, "anew", { count: 2 });
      const versions = await bytesOf(page, "versions");
      const chosen = images.slice(SIZE, 2 * SIZE);
      const isPainted = (i: number) => i % SIZE < 16 && i % 8 < 3;
      assertEquals(versions.filter((_, i) => !isPainted(i)), [...chosen, ...chosen].filter((_, i) => !isPainted(i)));
      assertNotEquals(versions.slice(0, SIZE), versions.slice(SIZE));

      // DPM-Solver++, which adds no noise while sampling: both ends of the interpolation are images of their seeds.
      await submit(page, "draw", { sampler: "dpmpp-2m", steps: 5 });
      const from = await bytesOf(page, "images");
      await page.evaluate("document.querySelectorAll('#images button')[1].click()");
      await submit(page, "way", { to: 4, points: 3 });
      const way = await bytesOf(page, "points");
      await submit(page, "draw", { seed: 4 });
      const to = await bytesOf(page, "images");
      assert(farthest(way.slice(0, SIZE), from.slice(SIZE, 2 * SIZE)) <= 2);
      assert(farthest(way.slice(2 * SIZE), to.slice(SIZE, 2 * SIZE)) <= 2);
      assert(farthest(way.slice(SIZE, 2 * SIZE), from.slice(SIZE, 2 * SIZE)) > 2);
      await page.evaluate("document.querySelector('#points input').focus()");
      await page.press("ArrowRight");
      assertEquals(
        await page.evaluate("document.querySelector('#points [aria-pressed=true]').title"),
        "Point 2 of the path",
      );

      await page.evaluate("document.querySelector('#draw [name=count]').value = 200");
      await page.evaluate("document.querySelector('#draw button:not([type])').click()");
      await page.evaluate("document.querySelector('#stop').click()");
      assertEquals(await drawnOn(page), "Stopped.");
      assertStringIncludes(await submit(page, "draw", { count: 3 }), "3 images in");
      assertEquals([page.problems, page.requests.filter((url) => !/^(file|data|blob):/.test(url))], [[], []]);
    }),
});

Deno.test({
  name: "a page whose code cannot start says so",
  ignore,
  fn: async () => {
    await using temporary = await makeTemporaryFolder();
    const path = join(temporary.folder, "page.html");
    await using browser = await Chromium.start(CHROMIUM, []);
    const page = await browser.newPage({ width: 900, height: 900, colorScheme: "light" });
    const model = { images: { height: 1, width: 1, channels: 1 }, timesteps: 2, samplers: [SAMPLER] };
    const task = { seed: 1, sampler: SAMPLER, guidance: 1, labels: "none" } as const;
    const data: DemoData = { files: {}, weights: "ema", wasm: "", model, start: { task, count: 1 }, made: [] };
    for (const [code, said] of [[`import "node:fs";`, "did not load"], [`throw new Error("Odd");`, "Odd"]] as const) {
      Deno.writeTextFileSync(path, renderPage({ title: "A", about: "B", data, code }));
      await page.open(`file://${path}`);
      const state = await drawnOn(page);
      assertStringIncludes(state, "This page cannot start: ");
      assertStringIncludes(state, said);
    }
  },
});

/** Pages of other numbers than bytes: how their data is made, and the byte that the page shows for a stored value. */
const FORMS: Readonly<
  Record<string, readonly [data: Uint16Array | Float32Array, with_: string, byte: (v: number) => number]>
> = {
  "16-bit integers, in a declared range": [
    Uint16Array.from({ length: 40 * 64 }, (_, i) => 200 + (i * 37) % 1_600),
    "normalize: { range: [0, 2000] }",
    (v) => v * 255 / 2_000,
  ],
  // Values from 0 to 4 are uniform: mean 2 and deviation 4 / sqrt(12). The page shows 2.5 deviations to either side.
  "floats, by mean and deviation": [
    Float32Array.from({ length: 40 * 64 }, (_, i) => 4 * ((i * 37) % 2_560) / 2_560),
    "normalize: moments",
    (v) => ((v - 2) / (4 / Math.sqrt(12)) + 2.5) * 51,
  ],
};

Deno.test({
  name: "a page of 16-bit integers or floats shows what sample draws, by the normaliser's range, and inpaints",
  ignore,
  fn: async () => {
    for (const [form, [data, normalize, byteOf]] of Object.entries(FORMS)) {
      const yaml = YAML.replace(/source: npm.*/, `source: numpy, path: x.npy, ${normalize} }`).replace(
        "labels: {}",
        "objective: v",
      )
        .replaceAll("guidance: 2, ", "");
      await using project = new Project({ files: { "p.yaml": yaml } });
      project.write("x.npy", encodeNpy({ shape: [40, 8, 8], data }));
      const { code, stdout, stderr } = await project.cli(["run", "p.yaml"]);
      assertEquals(code, 0, stdout + stderr);
      using samples = await openImages(openInput(folderArtifact(project.path("outputs/demo/sample"), "samples")));
      const wanted = Array.from(samples.rows([0, 1, 2, 3, 4, 5]), (v) => Math.min(255, Math.max(0, byteOf(v))));
      await using browser = await Chromium.start(CHROMIUM, FLAGS.wasm);
      const page = await browser.newPage({ width: 900, height: 900, colorScheme: "light" });
      await page.open(`file://${project.path("outputs/demo/page/demo.html")}#backend=wasm`);
      assertEquals(await drawnOn(page), READY);
      const early = await bytesOf(page, "images");
      assertStringIncludes(await submit(page, "draw", {}), `${COUNT} images in`);
      const shown = await bytesOf(page, "images");
      assert(farthest(shown, early) <= 2, `${form}, made beforehand: ${farthest(shown, early)}`);
      // The page truncates to bytes, sums round differently, and the mean and deviation are those of a split.
      assert(farthest(shown, wanted) <= 4, `${form}: ${farthest(shown, wanted)}`);
      assert(new Set(shown).size > 50, `${new Set(shown).size} levels`);
      await page.evaluate("document.querySelector('#mask').focus()");
      await page.press("ArrowRight");
      await page.press(" ");
      await submit(page, "anew", { count: 2 });
      const versions = await bytesOf(page, "versions");
      // Painted are the first three columns of the first two rows, of the first image.
      const isKept = (_: number, i: number) => !(i % SIZE < 16 && i % 8 < 3);
      const first = shown.slice(0, SIZE);
      assertEquals(versions.filter(isKept), [...first, ...first].filter(isKept));
      assertNotEquals(versions.slice(0, SIZE), versions.slice(SIZE));
      assertEquals(page.problems, []);
    }
  },
});

/** Samples of latents with labels and guidance, and their decoded images. */
const LATENTS = (kind: string) =>
  YAML.replace("size: 8, limit: 600", "size: 16, limit: 600")
    .replace(
      "  train:\n",
      `  autoencoder:
    uses: autoencoder
    inputs: { images: digits.train }
    with:
      model: { ${kind}, channels: 8, multipliers: [1, 2], blocks: 1, latentChannels: 2 }
      steps: 20
      batchSize: 16
      learningRate: 2e-3
      gradClip: 1e3
  latents:
    uses: encode
    inputs: { images: digits.train, autoencoder: autoencoder }
  decode:
    uses: decode
    inputs: { samples: sample, autoencoder: autoencoder }
  train:
`,
    ).replace("images: digits.train, schedule", "images: latents, schedule")
    .replace(/(uses: demo\n {4}inputs: \{ )/, "$1autoencoder: autoencoder, ");

Deno.test({
  name: "a page of latents shows what decode makes of samples, and inpaints in the latents",
  ignore,
  fn: async () => {
    for (const kind of ["kind: kl", "kind: vq, codes: 32"]) {
      await using project = new Project({ files: { "p.yaml": LATENTS(kind) } });
      const { code, stdout, stderr } = await project.cli(["run", "p.yaml"]);
      assertEquals(code, 0, stdout + stderr);
      const decoded = await readImages(openInput(folderArtifact(project.path("outputs/demo/decode"), "samples")));
      await using browser = await Chromium.start(CHROMIUM, FLAGS.wasm);
      const page = await browser.newPage({ width: 900, height: 900, colorScheme: "light" });
      await page.open(`file://${project.path("outputs/demo/page/demo.html")}#backend=wasm`);
      assertEquals(await drawnOn(page), READY);
      // Inpainted in the latents of an image that was made beforehand.
      await page.evaluate("document.querySelector('#mask').focus()");
      await page.press(" ");
      await submit(page, "anew", { count: 2 });
      const versions = await bytesOf(page, "versions");
      assertEquals(versions.length, 2 * 16 * 16);
      assertNotEquals(versions.slice(0, 256), versions.slice(256));
      const early = await bytesOf(page, "images");
      assertStringIncludes(await submit(page, "draw", {}), `${COUNT} images in`);
      const shown = await bytesOf(page, "images");
      assertEquals(shown.length, COUNT * 16 * 16);
      assert(farthest(early, decoded.pixels) <= 2, `${kind}, made beforehand: ${farthest(early, decoded.pixels)}`);
      assert(farthest(shown, decoded.pixels) <= 2, `${kind}: ${farthest(shown, decoded.pixels)}`);
      assert(new Set(shown).size > 20, `${new Set(shown).size} levels`);
      assertMatch(
        await page.evaluate("document.querySelector('header p').textContent"),
        /on latents of images of 16x16 pixels.* a decoder for what it samples, with [\d,]+ parameters, 0\.\d MB\.$/,
      );
      assertEquals(page.problems, []);
    }
  },
});
