/**
 * Makes the pictures of README and docs/live-pages.md: the page that `deno task run pipelines/digits.yaml --open` shows
 * near the end of the training, and the interactive sampling page. Takes about five minutes on two cores.
 *
 *     deno run -A tests/browser/pictures.ts
 */
import { join } from "node:path";
import { CLONE } from "../support/cli_process.ts";
import { findServers, userOf } from "../support/live_server.ts";
import { Project } from "../support/project.ts";
import { Chromium, findChromium, type Page } from "./chromium.ts";

const SCREEN = { height: 900, colorScheme: "light" } as const;
/** The elements that a small picture has no room for. */
const LEFT_OUT = "#contents, #overview ~ section";

async function until(page: Page, expression: string): Promise<void> {
  while (!await page.evaluate(expression)) await new Promise((resolve) => setTimeout(resolve, 100));
}

/** Stores a picture of a page in its current state. */
async function keep(page: Page, name: string): Promise<void> {
  const rule = `${LEFT_OUT} { display: none !important }`;
  await page.evaluate(`{
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(${JSON.stringify(rule)});
    document.adoptedStyleSheets.push(sheet);
  }`);
  // The layout adapts to the remaining elements and to pictures that have just loaded.
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  await Deno.writeFile(join(CLONE, "docs/images", name), Uint8Array.fromBase64(await page.picture("html")));
}

await using project = new Project();
project.copy("pipelines/digits.yaml", "pipelines/digits.yaml");
const env = await userOf(project);
await using browser = await Chromium.start((await findChromium())!);
const live = await browser.newPage({ ...SCREEN, width: 1_160 });

await using run = project.start(["run", "pipelines/digits.yaml", "--open", "--json"], { env });
const { message } = await run.event(({ type, message }) => type === "note" && message.startsWith("live page: "));
await live.open(/http:\S+/.exec(message)![0]);
await run.event(({ type, step }) => type === "stage-preview" && step === 1_250);
await until(live, `/after 1,250 steps/.test(document.querySelector("#overview")?.innerText ?? "")`);
await until(live, `document.querySelectorAll("#training canvas").length === 6`);
await keep(live, "live-page.png");
const { code, stdout, stderr } = await run.outcome();
if (code !== 0) throw new Error(stdout + stderr);

const demo = await browser.newPage({ ...SCREEN, width: 1_000 });
await demo.open(`file://${project.path("outputs/digits/demo/demo.html")}`);
await until(demo, `/^\\d+ images in /.test(document.querySelector("#state").textContent)`);
await keep(demo, "page-that-draws.png");
for (const pid of findServers(project)) Deno.kill(pid);
