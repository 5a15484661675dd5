import { assert, assertEquals } from "@std/assert";
import { redirectPage } from "../../../pages/server/start.ts";
import { Chromium, findChromium, type Page } from "../../browser/chromium.ts";
import { findServers, startUi, userOf } from "../../support/live_server.ts";
import { skipTestsUnless } from "../../support/proc.ts";
import { Project } from "../../support/project.ts";

const CHROMIUM = await findChromium();
const hasNone = skipTestsUnless(CHROMIUM !== undefined, "there is no Chromium (apt-get install chromium)");

const SCREEN = { width: 1_000, height: 800, colorScheme: "light" } as const;

/** Waits until an expression holds in a page; if it never does, the test's own time limit ends the wait. */
async function until(page: Page, expression: string): Promise<void> {
  for (let i = 0; !await page.evaluate(expression); i++) {
    if (i > 600) {
      throw new Error(`after a minute not so: ${expression}\n${await page.evaluate("document.body.innerText")}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

const SHOWS_MORE_THAN = (steps: number) =>
  `Number(/the last at step (\\d+)/.exec(document.querySelector("#training")?.innerText ?? "")?.[1] ?? 0) > ${steps}`;

Deno.test({
  name: "a training is seen in two tabs while it goes on, with its kill; a server that is gone and back again too",
  ignore: hasNone,
  async fn() {
    await using project = new Project();
    project.copy("pipelines/smoke.yaml", "smoke.yaml");
    const env = await userOf(project);
    await using browser = await Chromium.start(CHROMIUM!);
    await using run = project.start(["run", "smoke.yaml", "--set", "train.steps=100000", "--open", "--json"], { env });
    const { message } = await run.event(({ type, message }) => type === "note" && message.startsWith("live page: "));
    const address = /http:\S+/.exec(message)![0];
    const tabs = await Promise.all([browser.newPage(SCREEN), browser.newPage(SCREEN)]);
    await tabs[0].open(address);
    await tabs[1].open(address.replace(/\?.*/, ""));
    // The token does not stay in the address, where others might see it.
    assert(!(await tabs[0].evaluate("location.href")).includes("token"));
    for (const tab of tabs) await until(tab, SHOWS_MORE_THAN(5));
    const seen = Number(
      await tabs[0].evaluate(`/the last at step (\\d+)/.exec(document.querySelector("#training").innerText)[1]`),
    );
    for (const tab of tabs) await until(tab, SHOWS_MORE_THAN(seen));
    await until(tabs[0], `document.querySelectorAll("#training canvas").length === 3`);
    await until(tabs[0], `document.querySelector(".dag .running") !== null`);
    assertEquals(tabs.flatMap(({ problems }) => problems), []);
    const { origin } = new URL(address);
    assertEquals(tabs.flatMap(({ requests }) => requests).filter((one) => !one.startsWith(origin)), []);

    run.signal("SIGKILL");
    for (const tab of tabs) await until(tab, `document.querySelector("#head .state").innerText === "killed"`);
    assertEquals(tabs.flatMap(({ problems }) => problems), []);

    for (const pid of findServers(project)) Deno.kill(pid, "SIGKILL");
    for (const tab of tabs) await until(tab, `!document.querySelector("#gone").hidden`);
    await using ui = await startUi(project, [], { env });
    // The server has another token: once the new address is open in one tab, here by a file that the browser is given,
    // all pages continue.
    const file = project.path("open.html");
    Deno.writeTextFileSync(file, redirectPage((await project.cli(["ui"], { env })).stdout.trim()));
    const third = await browser.newPage(SCREEN);
    await third.open(`file://${file}`);
    await until(third, `document.querySelector("nav.up") !== null`);
    assertEquals(await third.evaluate("location.search"), "");
    for (const tab of tabs) await until(tab, `document.querySelector("#gone").hidden`);
    ui.signal("SIGINT");
    assertEquals((await ui.outcome()).code, 0);
  },
});

/** A stage that prints text, and uses names, that would act in a page if they were not escaped. */
const HOSTILE = `import { defineStage } from "noiseline";
import { z } from "zod";
export default defineStage({
  summary: "Means no good",
  params: z.strictObject({ text: z.string(), fails: z.boolean().default(false) }),
  inputs: {},
  outputs: { out: { type: "files", description: "A page" } },
  async run({ params, report, outputs }) {
    console.log(params.text);
    report({ done: 1, total: 2, unit: params.text.slice(0, 90), figures: { ["<b>" + params.text.slice(0, 30)]: 1, loss: 1 } });
    const script = "fetch('/').then(() => document.title = 'read', () => document.title = 'ran')";
    await outputs.out.write("demo.html", "<title>begun</title><script>" + script + "</script>");
    if (params.fails) throw new Error(params.text);
  },
});
`;

Deno.test({
  name: "names, params, figures, logs and messages are shown and do nothing",
  ignore: hasNone,
  async fn() {
    const text = "</script><img src=x onerror=document.title='reached'><style>*{display:none}</style>";
    const params = `text: ${JSON.stringify(text)}`;
    const stages = [
      `a: { uses: ./hostile.ts, with: { ${params} } }`,
      `b: { uses: ./hostile.ts, with: { ${params}, fails: true } }`,
    ];
    const yaml = `name: demo\nstages:\n${stages.map((one) => `  ${one}\n`).join("")}`;
    await using project = new Project({ files: { "p.yaml": yaml, "hostile.ts": HOSTILE } });
    const env = await userOf(project);
    assertEquals((await project.cli(["run", "p.yaml"], { env })).code, 1);
    await using ui = await startUi(project, [], { env });
    const address = (await project.cli(["ui"], { env })).stdout.trim();
    await using browser = await Chromium.start(CHROMIUM!);
    const page = await browser.newPage(SCREEN);
    const [runId] = project.list(".noiseline/runs");
    await page.open(address);
    for (
      const path of [
        "/",
        `/run/${runId}`,
        `/compare?run=${runId}&run=${runId}`,
        `/?q=${encodeURIComponent(text)}&sort=${text}`,
      ]
    ) {
      await page.open(new URL(path, address).href);
      // The page as it was first rendered, and after parts of it were updated.
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      assertEquals(
        await page.evaluate(`document.querySelectorAll("[onerror], main style, main script, b > img").length`),
        0,
      );
      assert(await page.evaluate(`document.title !== "reached" && document.body.offsetHeight > 50`), path);
    }
    assertEquals(page.problems, []);
    // An interactive sampling page runs its script without any origin: it reaches neither this server nor the page that
    // opened it.
    await page.open(new URL(`/run/${runId}`, address).href);
    await page.open(await page.evaluate(`document.querySelector("a[href^='/page/']").href`));
    await until(page, `document.title !== "begun"`);
    assertEquals(await page.evaluate("[document.title, origin]"), ["ran", "null"]);
    ui.signal("SIGINT");
    assertEquals((await ui.outcome()).stderr, "");
  },
});
