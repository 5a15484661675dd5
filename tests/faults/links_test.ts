import { assertEquals, assertStringIncludes } from "@std/assert";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, relative } from "node:path";
import { denoFolder } from "../../engine/process/runtime.ts";
import { execute, submit } from "../support/cluster.ts";
import { startUi, userOf, Visitor } from "../support/live_server.ts";
import { setVariable, testsAlone } from "../support/own_process.ts";
import { onlyIf } from "../support/proc.ts";
import { Project } from "../support/project.ts";

/** A stage in the engine's own process, one in a separate process, and two of user code with a file and an input. */
const YAML = `name: demo
stages:
  noise: { uses: schedule, with: { betas: sigmoid, timesteps: 100 } }
  pictures: { uses: dataset, with: { source: folder, path: ./pictures, size: 4, channels: 1, labels: none, testCount: 1 } }
  a: { uses: ./code/cook.ts, with: { text: hello, data: ./data.txt } }
  b: { uses: ./code/cook.ts, inputs: { from: [a] } }
`;

const PIXEL = Uint8Array.fromBase64(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==",
);

/** Ways to link from a name to the folder or file that was there. */
const LINKS: Readonly<Record<string, (from: string, to: string) => void>> = {
  absolute: (from, to) => Deno.symlinkSync(to, from),
  relative: (from, to) => Deno.symlinkSync(relative(Deno.realPathSync(dirname(from)), Deno.realPathSync(to)), from),
  "link to a link": (from, to) => {
    Deno.symlinkSync(to, `${from}-between`);
    Deno.symlinkSync(`${basename(from)}-between`, from);
  },
};

/** Places where a link may be, below the folder of a test. The project is `home/mine`. */
const POSITIONS = {
  "the folder above the project": "home",
  "the project's folder": "home/mine",
  "the store": "home/mine/.noiseline",
  outputs: "home/mine/outputs",
  "the pipeline file": "home/mine/p.yaml",
  "the folder of code": "home/mine/code",
  "the folder of data": "home/mine/pictures",
  "a file of data": "home/mine/data.txt",
  TMPDIR: "tmp",
  "Deno's cache": "deno",
  "the user's cache": "cache",
  "the user's settings": "config",
  "the shared cache": "shared",
};

function makePlace(): Project {
  const place = new Project({ bare: true });
  const copy = "tests/support/stages/cook.ts";
  for (const folder of ["home/mine/.noiseline", "home/mine/outputs", "tmp", "cache", "config", "shared"]) {
    Deno.mkdirSync(place.path(folder), { recursive: true });
  }
  for (const [name, text] of Object.entries({ "deno.json": "{}", "p.yaml": YAML, "data.txt": "some data" })) {
    place.write(`home/mine/${name}`, text);
  }
  for (const name of ["a.png", "b.png"]) place.write(`home/mine/pictures/${name}`, PIXEL);
  place.copy(copy, "home/mine/code/cook.ts");
  return place;
}

async function run(place: Project, ...args: string[]) {
  return await place.cli(["run", place.path("home/mine/p.yaml"), "--cache", place.path("shared"), ...args], {
    env: {
      TMPDIR: place.path("tmp"),
      DENO_DIR: place.exists("deno") ? place.path("deno") : (await denoFolder()) as string,
      XDG_CACHE_HOME: place.path("cache"),
      XDG_CONFIG_HOME: place.path("config"),
    },
  });
}

/**
 * Moves a file or folder elsewhere, and puts a link in its place. Code and its files stay in the project, because
 * outside of it they would need a right.
 */
function turnIntoLink(place: Project, path: string, how: string): void {
  const isCode = /code|data\.txt/.test(path);
  const [from, to] = [place.path(path), place.path(isCode ? "home/mine/big" : "elsewhere", `${basename(path)}-moved`)];
  Deno.mkdirSync(dirname(to), { recursive: true });
  Deno.renameSync(from, to);
  LINKS[how]!(from, to);
}

/** Links to Deno's cache of this machine: packages are neither fetched nor copied for a test. */
async function linkDenoCache(place: Project, how: string): Promise<void> {
  LINKS[how]!(place.path("deno"), (await denoFolder()) as string);
}

async function checkRun(place: Project, what: string): Promise<void> {
  const first = await run(place);
  assertEquals(first.code, 0, `${what}: ${first.stderr}${first.stdout}`);
  const shown = place.read("home/mine/outputs/demo/b/text.txt");
  assertEquals(shown, " 1 0\nhello 1 0\nsome data\n\n", what);
  assertEquals(place.list("home/mine/outputs/demo/pictures"), ["test", "train"], what);
  const again = await run(place);
  assertEquals(again.code, 0, `${what}, again: ${again.stderr}`);
  assertStringIncludes(again.stdout + again.stderr, "nothing to do", what);
}

for (const [what, path] of Object.entries(POSITIONS)) {
  for (const how of path === "home/mine/.noiseline" ? Object.keys(LINKS) : ["absolute"]) {
    Deno.test(`every stage runs where ${what} is reached by a link (${how})`, async () => {
      await using place = makePlace();
      if (path === "deno") await linkDenoCache(place, how);
      else turnIntoLink(place, path, how);
      await checkRun(place, what);
    });
  }
}

Deno.test("pages show a store that is reached by a link", async () => {
  await using place = makePlace();
  place.write("home/mine/p.yaml", YAML.split("\n").slice(0, 3).join("\n"));
  for (const path of ["home", "home/mine/.noiseline"]) turnIntoLink(place, path, "relative");
  assertEquals((await run(place)).code, 0);
  const [id] = place.list("home/mine/.noiseline/runs");
  const env = await userOf(place);
  const at = ["--json", "--store", place.path("home/mine/.noiseline")];
  await using ui = await startUi(place, at, { env });
  await ui.said("}");
  const { json } = await place.cli(["ui", ...at], { env });
  assertEquals(json.address?.slice(0, 4), "http", JSON.stringify(json));
  const visitor = await Visitor.open(json.address);
  assertStringIncludes(await visitor.text("/"), `/run/${id}`);
});

for (const how of Object.keys(LINKS)) {
  Deno.test(`every stage runs where everything is reached by links (${how})`, async () => {
    await using place = makePlace();
    await linkDenoCache(place, how);
    for (const path of Object.values(POSITIONS)) {
      if (path !== "deno") turnIntoLink(place, path, how);
    }
    await checkRun(place, "all");
  });
}

const DISK = "/dev/shm";
const isOtherDisk = existsSync(DISK) && Deno.statSync(DISK).dev !== Deno.statSync(tmpdir()).dev;
Deno.test({
  ...onlyIf(isOtherDisk, `${DISK} is no other disk`, "every stage runs where links lead to another disk"),
  async fn() {
    await using place = makePlace();
    await using disk = new Project({ bare: true, in: DISK });
    // A stage's process may not read or write below /dev, where its own files may therefore not lie.
    for (const path of ["tmp", "cache", "shared"]) {
      place.remove(path);
      Deno.mkdirSync(disk.path(path));
      Deno.symlinkSync(disk.path(path), place.path(path));
    }
    await checkRun(place, "another disk");
    assertEquals(disk.list("tmp"), []);
    assertEquals(disk.list("shared").length > 0, true);
  },
});

const testAlone = testsAlone(import.meta.url);

testAlone("a job runs where its scratch and the shared cache are reached by links", async () => {
  await using project = new Project({ stages: ["cook"], files: { "p.yaml": YAML.replaceAll("code/", "") } });
  for (const name of ["data.txt", "pictures/a.png", "pictures/b.png"]) project.write(name, PIXEL);
  for (const name of ["big/tmp", "big/shared"]) Deno.mkdirSync(project.path(name), { recursive: true });
  LINKS["link to a link"]!(project.path("tmp"), project.path("big/tmp"));
  LINKS["relative"]!(project.path("shared"), project.path("big/shared"));
  setVariable("TMPDIR", project.path("tmp"));
  const submission = await submit(project);
  for (const [part, id] of [...submission.pipeline.stages.keys()].entries()) {
    const { code, end, problems } = await execute(submission, part);
    assertEquals([code, end?.state], [0, "ran"], `${id}: ${problems.map(({ message }) => message).join()}`);
  }
});

for (const part of ["objects", "results", "tmp", "progress", "runs"]) {
  Deno.test(`a link in the place of the store's own ${part} is refused by name`, async () => {
    await using place = makePlace();
    Deno.mkdirSync(place.path("home/mine/.noiseline", part));
    turnIntoLink(place, join("home/mine/.noiseline", part), "absolute");
    const { code, stderr } = await run(place);
    assertEquals(code, 2, stderr);
    assertStringIncludes(stderr, `.noiseline/${part}: it is a link`);
  });
}
