import { assert, assertEquals, assertMatch } from "@std/assert";
import { existsSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { readImages } from "../../../artifacts/images.ts";
import type { Cluster } from "../../../engine/cluster/cluster_file.ts";
import { fetchPackages } from "../../../engine/cluster/submit.ts";
import type { Kind } from "../../../engine/keys/stage.ts";
import type { PlannedAction } from "../../../engine/plan/plan.ts";
import { bundleForBrowsers } from "../../../engine/process/bundle.ts";
import { folderArtifact, openInput } from "../../../engine/process/context.ts";
import { denoFolder } from "../../../engine/process/runtime.ts";
import { makeTemporaryFolder } from "../../../engine/store/folders.ts";
import { Chromium } from "../../browser/chromium.ts";
import { OWN_SCIENCE, ownProject } from "../../support/own_science.ts";
import { testsAlone } from "../../support/own_process.ts";
import type { Project } from "../../support/project.ts";

const YAML = `${OWN_SCIENCE}  page:
    uses: demo
    inputs: { checkpoint: train }
    with: { title: Squares, count: 4, sampler: { uses: ./euler.ts, steps: 5 } }
`;
const PAGE = "outputs/demo/page/demo.html";
const CHROMIUM = "/usr/bin/chromium";
/** Fetching packages sets `DENO_DIR`, which a command may do but not a test that shares its process. */
const test = testsAlone(import.meta.url);

/** Makes Deno's packages without esbuild, and without a network. */
async function offline(project: Project): Promise<Record<string, string>> {
  const dir = project.path("deno");
  Deno.mkdirSync(dir);
  for (const name of ["npm", "gen"]) Deno.symlinkSync(`${(await denoFolder()) as string}/${name}`, `${dir}/${name}`);
  return { DENO_DIR: dir, HTTPS_PROXY: "http://127.0.0.1:9" };
}

Deno.test("a page of definitions of one's own is made where esbuild is, kept for the next time, and gives equal bytes", async () => {
  await using project = ownProject(YAML);
  const env = { XDG_CACHE_HOME: project.path("cache"), DENO_DIR: (await denoFolder()) as string };
  const away = { ...env, ...await offline(project) };
  const run = (more: readonly string[], given: Readonly<Record<string, string>>) =>
    project.cli(["run", "p.yaml", "--json", ...more], { env: given });
  const failed = await run([], away);
  const [ended] = failed.events.filter(({ type, id }) => type === "stage-finished" && id === "page");
  assertEquals([failed.code, ended?.state], [1, "failed"], failed.stdout + failed.stderr);
  // The second message appears if this machine has never seen the package.
  assertMatch(
    ended.message,
    /^cannot bundle its code for browsers: (failed to download |Failed loading http.*)esbuild/m,
  );
  assertEquals(ended.fix, "check the network, then run again: esbuild is fetched once");

  const made = await run([], env);
  assertEquals(made.code, 0, made.stdout + made.stderr);
  const page = project.read(PAGE);
  // The stored package works without a network.
  for (const given of [env, away]) {
    const again = await run(["--force", "page"], given);
    assertEquals([again.code, again.stdout.includes("not deterministic")], [0, false], again.stdout);
  }
  assertEquals(project.read(PAGE), page);
  assert(page.length < 8e6);
  // Its icon is in the page.
  const addresses = /\b(src|href)="(?!data:|#)|url\(/.exec(page.slice(0, page.indexOf("<script")));
  assertEquals(addresses, null);
});

Deno.test({
  name: "the page of a network, path and sampler of one's own draws what sample draws",
  ignore: !existsSync(CHROMIUM),
  async fn() {
    await using project = ownProject(YAML);
    const made = await project.cli(["run", "p.yaml"]);
    assertEquals(made.code, 0, made.stdout + made.stderr);
    const { pixels, info } = await readImages(
      openInput(folderArtifact(project.path("outputs/demo/sample"), "samples")),
    );
    await using browser = await Chromium.start(CHROMIUM);
    const page = await browser.newPage({ width: 900, height: 900, colorScheme: "light" });
    await page.open(`file://${project.path(PAGE)}#backend=wasm`);
    for (let state = ""; !/ images in /.test(state);) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      state = await page.evaluate("document.getElementById('state').textContent");
      if (state === "Ready to sample.") {
        await page.evaluate("document.querySelector('#draw button:not([type])').click()");
      }
      assert(!/fault|cannot/i.test(state), state);
    }
    const shown: number[] = await page.evaluate(
      `[...document.querySelectorAll("#images .grid canvas")].flatMap((canvas) =>
      [...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data].filter((_, i) => i % 4 === 0))`,
    );
    assertEquals([shown.length, info.channels], [pixels.length, 1]);
    const apart = shown.map((value, i) => Math.abs(value - pixels[i]!));
    // Sums in another order round differently, and a value may fall on the other side of a whole number.
    assert(Math.max(...apart) <= 2, `${Math.max(...apart)}`);
    assertEquals([page.problems, page.requests.filter((url) => !/^(file|data|blob):/.test(url))], [[], []]);
  },
});

test("packages for a cluster's nodes have what bundles, also where the bundle is kept here already", async () => {
  await using project = ownProject(YAML);
  project.write("main.ts", `export const start = () => {}; // ${crypto.randomUUID()}\n`);
  const entry = pathToFileURL(project.path("main.ts")).href;
  const kind = { entry, browser: entry, userCode: [], runs: "process" } as unknown as Kind;
  await using temporary = await makeTemporaryFolder();
  assert("file" in (await bundleForBrowsers(kind, temporary.folder))!);
  const packages = project.path("packages");
  const stages = [{ stage: { kind, params: {} } }] as unknown as readonly PlannedAction[];
  const told = { say: () => {}, stop: new AbortController().signal };
  assertEquals(await fetchPackages(stages, { packages } as Cluster["settings"], false, told), undefined);
  assert(project.files("packages").some((path) => path.includes("esbuild")), project.files("packages").join("\n"));
});
