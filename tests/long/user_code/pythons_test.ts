import { assertEquals, assertMatch } from "@std/assert";
import { globSync } from "node:fs";
import { dirname, join } from "node:path";
import { userOf } from "../../support/live_server.ts";
import { Project } from "../../support/project.ts";
import { findBlocks, ROOT } from "../../docs/blocks.ts";

const DEBIAN = "/usr/bin/python3";
const isThere = (path: string) => globSync(path).length > 0;
const PYENV = globSync(
  `${Deno.env.get("PYENV_ROOT") ?? `${Deno.env.get("HOME")}/.pyenv`}/versions/3.1[0-9]*/bin/python3`,
)
  .sort().at(-1);
const UV = globSync(`${Deno.env.get("HOME")}/.local/share/uv/python/cpython-3.*/bin/python3`).at(-1);
const noPyenv = PYENV === undefined && UV === undefined ? "no Python of pyenv or uv" : undefined;

async function start(program: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, { args }).output();
  if (!success) throw new Error(`${program} ${args}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout).trim();
}

/** Makes a virtual environment. @returns the folder of its program */
async function venv(folder: string): Promise<string> {
  await start(DEBIAN, "-m", "venv", "--without-pip", folder);
  return join(folder, "bin");
}

const noDebian = isThere(DEBIAN) && isThere("/etc/debian_version") ? undefined : "no Python of Debian";
const noVenv = noDebian ?? (isThere("/usr/lib/python3*/ensurepip") ? undefined : "no python3-venv of Debian");

/** Pythons, each with the reason why it is not here, or the folder of its program; `layouts_test.ts` has more. */
const PYTHONS: Readonly<Record<string, readonly [string | undefined, (project: Project) => Promise<string> | string]>> =
  {
    "Debian's": [noDebian, () => dirname(DEBIAN)],
    "that of pyenv or uv": [noPyenv, () => dirname((PYENV ?? UV)!)],
    "a venv": [noVenv, (project) => venv(project.path("venv"))],
  };

for (const [name, [missing, folderIn]] of Object.entries(PYTHONS)) {
  Deno.test({
    name: `the pipeline of docs/other-languages.md runs, with a script without packages, with ${name}${
      missing === undefined ? "" : ` (skipped: ${missing})`
    }`,
    ignore: missing !== undefined,
    fn: async () => {
      const blocks = findBlocks(Deno.readTextFileSync(`${ROOT}/docs/other-languages.md`), "");
      const yaml = blocks.find(({ language }) => language === "yaml")!.text;
      await using project = new Project({
        files: { "own/deno.json": "{}", "own/mean.yaml": yaml },
      });
      // These have no packages.
      project.copy("tests/support/stages/plain_mean.py", "own/mean.py");
      const folder = await folderIn(project);
      const env = { ...await userOf(project), PATH: `${folder}:/usr/bin:/bin` };
      const cli = (...args: string[]) => project.cli(args, { cwd: project.path("own"), env });
      const before = await cli("plan", "mean.yaml", "train");
      assertMatch(before.stdout, /train .*may-run/);
      const { code, stderr } = await cli("run", "mean.yaml", "--grant", "train:run=python3");
      assertEquals(code, 0, stderr);
      // Its answer is remembered, so no grant is needed to find the result.
      project.remove("own/.config/noiseline/grants.json");
      const planned = (await cli("plan", "mean.yaml", "--json")).json.stages as { readonly state: string }[];
      assertEquals(planned.map(({ state }) => state), ["cached", "cached", "cached"]);
    },
  });
}

Deno.test({
  name: `the code of a Python's start is in the key, and is allowed${
    noVenv === undefined ? "" : ` (skipped: ${noVenv})`
  }`,
  ignore: noVenv !== undefined,
  fn: async () => {
    const code = 'import noiseline, sys\n(noiseline.outputs["out"] / "a.txt").write_text(str(sys.hooks))\n';
    const with_ = "{ run: [python3, a.py], sources: [a.py], outputs: { out: files } }";
    await using project = new Project({
      files: {
        "own/deno.json": "{}",
        "own/a.py": code,
        "own/p.yaml": `name: demo\nstages:\n  a: { uses: command, with: ${with_} }\n`,
      },
    });
    const env = { ...await userOf(project), PATH: `${await venv(project.path("venv"))}:/usr/bin:/bin` };
    const [site] = globSync(project.path("venv/lib/python3*/site-packages")) as [string];
    const at = site.slice(project.root.length + 1);
    const cli = (...args: string[]) => project.cli(args, { cwd: project.path("own"), env });
    /** Runs the stage, and returns what the start had set. */
    const run = async () => {
      const { code, stderr } = await cli("run", "p.yaml", "--grant", "a:run=python3");
      assertEquals(code, 0, stderr);
      return project.read("own/outputs/demo/a/a.txt");
    };
    const state = async () => (await cli("plan", "p.yaml", "--json")).json.stages[0].state;
    // A line that loads a module from a folder that another line names.
    project.write("elsewhere/hook.py", "import sys\nsys.hooks = 1\n");
    project.write(`${at}/a.pth`, `${project.path("elsewhere")}\nimport hook\n`);
    assertEquals(await run(), "1");
    assertEquals(await state(), "cached");
    project.write("elsewhere/hook.py", "import sys\nsys.hooks = 2\n");
    // The grant is remembered, so the Python is asked again at once.
    assertEquals(await state(), "run");
    assertEquals(await run(), "2");
    project.write(`${at}/b.pth`, "import sys; sys.hooks = 3\n");
    assertEquals(await run(), "3");
    project.write(`${at}/b.pth`, "# nothing\n");
    assertEquals(await run(), "2");
    // A package that is installed by a folder's name alone is still refused: no key has its code.
    project.write("elsewhere/more.py", "");
    project.write("own/a.py", `import more\n${code}`);
    const refused = await cli("run", "p.yaml");
    assertEquals(refused.code, 1);
    assertMatch(refused.stderr, /it loaded \S+elsewhere\/more\.py, which is not among its sources/);
  },
});
