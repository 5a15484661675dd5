/** A program's box shows what a Python needs, however it is installed, and nothing else of the user's home. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { globSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { NO_BOX } from "../../support/commands.ts";
import { userOf } from "../../support/live_server.ts";
import { PYTHON } from "../../support/peers.ts";
import { Project } from "../../support/project.ts";

const DEBIAN = "/usr/bin/python3";
const [LIBRARY] = globSync("/usr/lib/python3.[0-9]*");
const NAME = basename(LIBRARY ?? "");
const PYENV = `${Deno.env.get("PYENV_ROOT") ?? `${Deno.env.get("HOME")}/.pyenv`}/shims`;

const SCRIPT = `import importlib, os, sys
import noiseline
there = importlib.import_module(os.environ["MODULE"]).__name__
if os.environ["FILE"]:
    open(os.environ["FILE"])
seen = sorted(os.popen("ls -A " + os.environ["SEEN"]).read().split()) if os.path.isdir(os.environ["SEEN"]) else []
(noiseline.outputs["out"] / "told.txt").write_text("\\n".join([sys.executable, sys.prefix, there, *seen]))
`;

/** A home of `notes.md` and layouts of Pythons, with a project in it. */
function homeWith(): Project {
  const project = new Project({ bare: true });
  project.write("home/notes.md", "notes");
  project.write("home/p/deno.json", "{}");
  project.write("home/p/a.py", SCRIPT);
  const env = `{ MODULE: json, FILE: "", SEEN: ${project.path("home")} }`;
  const with_ = `{ run: [python3, a.py], sources: [a.py], env: ${env}, outputs: { out: files } }`;
  project.write("home/p/p.yaml", `name: demo\nstages:\n  a: { uses: command, with: ${with_} }\n`);
  return project;
}

async function start(program: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, { args }).output();
  if (!success) throw new Error(`${program} ${args}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout).trim();
}

/** Makes a Python of its own from Debian's, which finds its library beside it. @returns the folder of its program */
async function copyPython(prefix: string): Promise<string> {
  Deno.mkdirSync(`${prefix}/bin`, { recursive: true });
  Deno.mkdirSync(`${prefix}/lib`);
  Deno.copyFileSync(Deno.realPathSync(DEBIAN), `${prefix}/bin/${NAME}`);
  for (const name of ["python3", "python"]) Deno.symlinkSync(NAME, `${prefix}/bin/${name}`);
  await start("cp", "-r", LIBRARY!, `${prefix}/lib/${NAME}`);
  return `${prefix}/bin`;
}

async function venv(folder: string, python = DEBIAN): Promise<string> {
  await start(python, "-m", "venv", "--without-pip", folder);
  return join(folder, "bin");
}

/** Writes a package as an installer leaves it. */
function install(site: string): void {
  Deno.mkdirSync(`${site}/there`, { recursive: true });
  Deno.mkdirSync(`${site}/there-1.0.dist-info`);
  Deno.writeTextFileSync(`${site}/there/__init__.py`, "from there import more\n");
  Deno.writeTextFileSync(`${site}/there/more.py`, "");
  Deno.writeTextFileSync(`${site}/there-1.0.dist-info/METADATA`, "Name: there\nVersion: 1.0\n");
}

/** A Python in uv's folder, and a virtual environment in the project whose packages are links into the cache. */
async function uvLayout(home: string): Promise<string> {
  const pythons = `${home}/.local/share/uv/python`;
  await copyPython(`${pythons}/cpython-3.0.0-linux-x86_64-gnu`);
  Deno.symlinkSync("cpython-3.0.0-linux-x86_64-gnu", `${pythons}/cpython-3.0-linux-x86_64-gnu`);
  const bin = await venv(`${home}/p/.venv`, `${pythons}/cpython-3.0-linux-x86_64-gnu/bin/python3`);
  const archive = `${home}/.cache/uv/archive-v0/0123`;
  install(archive);
  await start("cp", "-rsT", archive, `${home}/p/.venv/lib/${NAME}/site-packages`);
  return bin;
}

/** An environment of conda's. With soft links its library is in the folder of packages. */
async function condaLayout(home: string, isLinked: boolean): Promise<string> {
  const env = `${home}/miniconda3/envs/mine`;
  const base = isLinked ? `${home}/miniconda3/pkgs/python-3.0.0-0` : env;
  await copyPython(base);
  const site = `lib/${NAME}/dist-packages`; // Debian's name
  install(isLinked ? `${home}/miniconda3/pkgs/there-1.0-0/${site}` : `${base}/${site}`);
  if (isLinked) {
    Deno.writeTextFileSync(`${home}/miniconda3/pkgs/urls.txt`, "");
    Deno.mkdirSync(env, { recursive: true });
    for (const name of ["python-3.0.0-0", "there-1.0-0"]) {
      await start("cp", "-rsT", `${home}/miniconda3/pkgs/${name}`, env);
    }
    // conda copies the program, which looks for its library beside it.
    Deno.removeSync(`${env}/bin/${NAME}`);
    Deno.copyFileSync(`${base}/bin/${NAME}`, `${env}/bin/${NAME}`);
    for (const name of ["python3", "python"]) {
      Deno.removeSync(`${env}/bin/${name}`);
      Deno.symlinkSync(NAME, `${env}/bin/${name}`);
    }
  }
  Deno.mkdirSync(`${env}/conda-meta`);
  Deno.writeTextFileSync(`${env}/conda-meta/history`, "");
  return `${env}/bin`;
}

async function importsTorch(): Promise<boolean> {
  const args = ["-c", "import torch"];
  return await new Deno.Command(PYTHON, { args, stdout: "null", stderr: "null" }).output()
    .then(({ success }) => success, () => false);
}

const noDebian = LIBRARY !== undefined && globSync("/etc/debian_version").length > 0
  ? undefined
  : "no Python of Debian";
const noVenv = noDebian ??
  (globSync("/usr/lib/python3*/ensurepip").length > 0 ? undefined : "no python3-venv of Debian");
const noPyenv = globSync(`${PYENV}/python3`).length > 0 ? undefined : "no Python of pyenv";
const noTorch = await importsTorch() ? undefined : `${PYTHON} has no torch; NOISELINE_PEERS_PYTHON names one that has`;

interface Layout {
  /** Why it cannot be tried here. */
  readonly missing: string | undefined;
  /** Makes it. @returns the folder of its program */
  readonly make: (home: string) => Promise<string> | string;
  /** A module that lies in it, if not the standard library's `json`. */
  readonly module?: string;
  /** Its folders in the home that are seen beside the project. */
  readonly seen?: readonly string[];
}

const LAYOUTS: Readonly<Record<string, Layout>> = {
  "Debian's Python": { missing: noDebian, make: () => dirname(DEBIAN) },
  "pyenv's shims": { missing: noPyenv, make: () => PYENV },
  "uv's links": { missing: noVenv, make: uvLayout, module: "there", seen: [".cache", ".local"] },
  "conda's layout": {
    ...{ missing: noDebian, make: (home) => condaLayout(home, false), module: "there", seen: ["miniconda3"] },
  },
  "conda's soft links": {
    ...{ missing: noDebian, make: (home) => condaLayout(home, true), module: "there", seen: ["miniconda3"] },
  },
  "a venv in /tmp": {
    missing: noVenv,
    make: async (home) => {
      const bin = await venv(join(dirname(home), "venv"));
      install(join(dirname(bin), "lib", NAME, "site-packages"));
      return bin;
    },
    module: "there",
  },
  "torch": {
    missing: noTorch,
    make: async () => dirname(await start(PYTHON, "-c", "import sys; print(sys.executable)")),
    module: "torch",
  },
};

const atHome = async (project: Project, bin: string) => ({
  cwd: project.path("home/p"),
  env: { ...await userOf(project), HOME: project.path("home"), PATH: `${bin}:/usr/bin:/bin` },
});
const GRANT = ["--grant", "a:run=python3"];

for (const [name, { missing = NO_BOX, make, module = "json", seen = [] }] of Object.entries(LAYOUTS)) {
  Deno.test({
    name: `in the box a script with ${name} sees its packages, and nothing else of its home${
      missing === undefined ? "" : ` (skipped: ${missing})`
    }`,
    ignore: missing !== undefined,
    fn: async () => {
      await using project = homeWith();
      const bin = await make(project.path("home"));
      const at = await atHome(project, bin);
      const set = ["--set", `a.env.MODULE=${module}`];
      const { code, stderr } = await project.cli(["run", "p.yaml", ...GRANT, ...set], at);
      assertEquals(code, 0, stderr);
      const [executable, prefix, there, ...names] = project.read("home/p/outputs/demo/a/told.txt").split("\n");
      if (name !== "pyenv's shims") assertEquals([executable, prefix], [join(bin, "python3"), dirname(bin)]);
      assertEquals([there, names], [module, [...seen, "p"]]);
      const { stages: [stage] } = (await project.cli(["plan", "p.yaml", ...set, "--json"], at)).json;
      assertEquals(stage.state, "cached");
      const file = project.path("home/notes.md");
      const refused = await project.cli(["run", "p.yaml", ...set, "--set", `a.env.FILE=${file}`], at);
      assertEquals(refused.code, 1);
      assertStringIncludes(refused.stderr, `data: { NAME: ${file} }`);
    },
  });
}

Deno.test({
  name: `a module of PYTHONPATH, of the account or in editable form is named where it lies${
    noVenv === undefined ? "" : ` (skipped: ${noVenv})`
  }`,
  ignore: noVenv !== undefined,
  fn: async () => {
    await using project = homeWith();
    const at = await atHome(project, await venv(project.path("home/venv")));
    const info = `home/venv/lib/${NAME}/site-packages/mine-1.0.dist-info/direct_url.json`;
    const url = `file://${project.path("home/src")}`;
    project.write(info, JSON.stringify({ url, dir_info: { editable: true } }));
    const [editable, named, account] = [
      "home/src/src/mine_a/__init__.py",
      "home/other/mine_b.py",
      `home/.local/lib/${NAME}/site-packages/mine_c.py`,
    ];
    for (const path of [editable, named, account]) project.write(path, "");
    const env = { ...at.env, PYTHONPATH: project.path("home/other") };
    for (const [module, path] of Object.entries({ mine_a: dirname(editable), mine_b: named, mine_c: account })) {
      const set = ["--set", `a.env.MODULE=${module}`];
      const { code, stderr } = await project.cli(["run", "p.yaml", ...GRANT, ...set], { ...at, env });
      assertEquals(code, 1, stderr);
      assertStringIncludes(stderr, `it imports ${project.path(path)}, which is not among its sources`);
    }
  },
});
