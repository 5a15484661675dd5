import { assertEquals, assertMatch } from "@std/assert";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { zipEntries } from "../../../science/formats/archives.ts";
import { findBlocks, ROOT } from "../../docs/blocks.ts";
import { CLONE } from "../../support/cli_process.ts";
import { Project } from "../../support/project.ts";

const PROGRAM = `import noiseline
planned = noiseline.plan("mean.yaml")
print([one["state"] for one in planned])
again = noiseline.run("mean.yaml", grant=["train:run=python3"], overrides={"train.steps": 120})
print(again.images["train"].shape, again.scores[0]["name"], type(again.scores).__name__)
for act in (noiseline.plan, noiseline.run):
    try:
        act("mean.yaml", overrides={"train.stepz": 1})
    except noiseline.RunFailed as error:
        print(error)
try:
    noiseline.run("mean.yaml", grant=["train:run=python3"], overrides={"train.run": ["python3", "-c", "raise SystemExit(3)"]})
except noiseline.RunFailed as error:
    print("failed:", error)
`;

/** Runs a command in a folder. @returns its exit code and all that it printed */
async function start(cwd: string, ...[program, ...args]: readonly string[]) {
  const env = { HOME: Deno.env.get("HOME")!, PATH: "/usr/bin:/bin", NO_COLOR: "1" };
  const { code, stdout, stderr } = await new Deno.Command(program!, { args, cwd, env, clearEnv: true }).output();
  return { code, said: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) };
}

async function does(cwd: string, ...words: readonly string[]): Promise<string> {
  const { code, said } = await start(cwd, ...words);
  assertEquals(code, 0, said);
  return said;
}

/** Makes a virtual environment with pip, and has pip fetch what the wheel needs. @returns why that cannot be had */
async function whyNoPip(folder: string): Promise<string | undefined> {
  const made = await start(folder, "python3", "-m", "venv", "venv").catch(() => ({ code: 1 }));
  if (made.code !== 0) return "no python3 with venv and pip";
  const fetched = await start(folder, "venv/bin/pip", "install", "-q", "deno==2.9.6", "numpy", "poetry-core==2.2.1");
  return fetched.code === 0 ? undefined : "pip fetches nothing here";
}

const place = await Deno.makeTempDir({ prefix: "noiseline-wheel-" });
const missing = await whyNoPip(place);
const pip = join(place, "venv/bin/pip");
Deno.test.afterAll(async () => await Deno.remove(place, { recursive: true }));

/** Builds the wheel as `deno task build:wheel` does. @returns its path */
async function build(name: string): Promise<string> {
  await does(CLONE, pip, "wheel", "-q", "--no-deps", "--wheel-dir", join(place, name), ".");
  const [made] = Deno.readDirSync(join(place, name));
  return join(place, name, made!.name);
}

/** Returns the paths of the files that `deno publish` takes. */
async function publishedFiles(): Promise<string[]> {
  const args = ["publish", "--dry-run", "--allow-dirty", "--no-check"];
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), { args, cwd: CLONE, env: { NO_COLOR: "1" } })
    .output();
  const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  return said.matchAll(/^ *(file:\/\/\/\S+) \(/gm).map(([, url]) => relative(CLONE, fileURLToPath(url!))).toArray();
}

const test = (name: string, fn: () => Promise<void>) =>
  Deno.test({
    name: `${name}${missing === undefined ? "" : ` (skipped: ${missing})`}`,
    ignore: missing !== undefined,
    fn,
  });

test("the wheel holds what deno publish takes, and has the same bytes twice", async () => {
  const [first, second] = [await build("first"), await build("second")];
  assertEquals(await Deno.readFile(first), await Deno.readFile(second));
  const names = await Array.fromAsync(zipEntries(first), ({ name }) => name);
  const paths = names.filter((name) => !name.includes(".dist-info/"))
    .map((name) => name.startsWith("noiseline/toolkit/") ? name.slice(18) : `package/python/${name}`);
  assertEquals(paths.sort(), (await publishedFiles()).sort());
});

test("who has the wheel and no Deno runs the example of docs/other-languages.md", async () => {
  const blocks = findBlocks(Deno.readTextFileSync(join(ROOT, "docs/other-languages.md")), "");
  const [yaml, python] = ["yaml", "python"].map((one) => blocks.find(({ language }) => language === one)!.text);
  await using project = new Project({
    bare: true,
    files: { "mean.yaml": yaml!, "mean.py": python!, "notebook.py": PROGRAM },
  });
  await does(project.root, pip, "install", "-q", await build("wheel"));
  const run = [join(place, "venv/bin/noiseline"), "run", "mean.yaml", "--grant", "train:run=python3"];
  assertMatch(await does(project.root, ...run), /^mean: done in .*\(3 ran\)$/m);
  const said = await does(project.root, join(place, "venv/bin/python"), "notebook.py");
  assertMatch(said, /^\['cached', 'cached', 'cached'\]$/m);
  assertMatch(said, /^train: ran$[^]*^\(16, 8, 8, 1\) KD-pixels list$/m);
  assertEquals(
    said.match(/^.*the file declares no param "stepz".*\n {2}fix: {4}.*"train\.steps"\?/gm)?.length,
    2,
    said,
  );
  assertMatch(said, /^train: failed$[^]*^failed: train: it exited with code 3/m);
});
