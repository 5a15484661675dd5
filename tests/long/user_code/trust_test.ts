import { assert, assertEquals, assertMatch } from "@std/assert";
import { globSync } from "node:fs";
import { basename } from "node:path";
import { COMMANDS } from "../../../cli/command.ts";
import { Grants, loadPipeline, requestsOf } from "noiseline/engine";
import { BUILTIN_KINDS } from "../../../stages/mod.ts";
import { listShipped } from "../../../dev/pin_shipped.ts";
import shipped from "../../../engine/run/shipped.json" with { type: "json" };
import { CLONE } from "../../support/cli_process.ts";
import { userOf } from "../../support/live_server.ts";
import { hasProgram } from "../../support/proc.ts";
import { Project } from "../../support/project.ts";

const DEBIAN = "/usr/bin/python3";
const NO_DEBIAN = Deno.build.os === "linux" && globSync(DEBIAN).length > 0 ? undefined : `no ${DEBIAN}`;

/** Programs by which a hostile project may be tried; each leaves a file in `marks` when it is started. */
function makeHostile(project: Project): readonly string[] {
  const program = (path: string) => {
    const mark = project.path("marks", path.replaceAll(/[^\w]/g, "_"));
    project.write(path, `#!/bin/sh\necho started > ${mark}\necho cpython 3.11.2\n`);
    Deno.chmodSync(project.path(path), 0o755);
  };
  const link = (to: string, path: string) => {
    project.write(`${path}.d/x`, "");
    Deno.symlinkSync(to, project.path(path));
  };
  project.write("marks/.keep", "");
  const scripts = ["bin/python3", "bin/python3.12", "own/python3", "own/tool.sh", "own/deep/python"];
  // With the project's folder on the PATH, these are nearer than the machine's own.
  const tools = ["bwrap", "setpriv", "ps", "sh", "env", "deno", "npm", "node", "git", "xdg-open", "sbatch", "sinfo"];
  [...scripts, ...tools.flatMap((name) => [`own/${name}`, `own/rel/${name}`]), "own/rel/python3"].forEach(program);
  link("../own/tool.sh", "bin/python3.11");
  link("../bin/python3", "own/python3.10");
  // A virtual environment whose settings name a standard library in the project.
  project.write("own/venv/bin/.keep", "");
  Deno.symlinkSync(DEBIAN, project.path("own/venv/bin/python3"));
  project.write("own/venv/pyvenv.cfg", `home = ${project.path("own/evil/bin")}\nversion = 3.11.2\n`);
  const mark = (name: string) => `open(${JSON.stringify(project.path("marks", name))}, "w").write("started")\n`;
  for (const minor of [9, 10, 11, 12, 13, 14]) {
    project.write(`own/evil/lib/python3.${minor}/encodings/__init__.py`, `import posix, io\nio.${mark("library")}`);
    project.write(`own/evil/lib/python3.${minor}/os.py`, "");
    project.write(`venv/lib/python3.${minor}/site-packages/sitecustomize.py`, mark("sitecustomize"));
    project.write(`venv/lib/python3.${minor}/site-packages/a.pth`, `import os; ${mark("pth")}`);
  }
  project.write("own/evil/bin/.keep", "");
  project.write("venv/bin/.keep", "");
  Deno.symlinkSync(DEBIAN, project.path("venv/bin/python3"));
  project.write("venv/pyvenv.cfg", "home = /usr/bin\nversion = 3.11.2\n");
  project.write("own/start.py", mark("startup"));
  project.write("own/x.py", mark("script"));
  const named = ["../bin/python3", "../bin/python3.12", "../bin/python3.11", "./python3", "./python3.10", "./tool.sh"];
  return [...named, "./deep/python", "venv/bin/python3", "../venv/bin/python3", "python3", DEBIAN];
}

function pipelineOf(project: Project, programs: readonly string[]): void {
  const env = `env: { PYTHONHOME: ${project.path("own/evil")}, PYTHONSTARTUP: ${project.path("own/start.py")} }`;
  const stages = programs.map((run, i) =>
    `  s${i}: { uses: command, with: { run: ["${run}", x.py], sources: [x.py], ${env}, outputs: { out: images } } }\n`
  );
  project.write("own/p.yaml", `name: hostile\nstages:\n${stages.join("")}`);
  project.write("own/stage.ts", project.read("kind.ts"));
}

/** The arguments by which each command is tried; undefined for commands that no pipeline reaches without a grant. */
const TRIED: Readonly<Record<string, readonly (readonly string[])[] | undefined>> = {
  validate: [["p.yaml"], ["p.yaml", "--json"]],
  plan: [["p.yaml"], ["p.yaml", "s0"]],
  show: [["p.yaml"]],
  why: [["p.yaml", "s7"]],
  keep: [["p.yaml", "s7"]],
  graph: [["p.yaml"]],
  status: [["p.yaml"]],
  new: [["pipeline", "other.yaml"]],
  score: [["p.yaml:s0", "p.yaml:s1", "--extractor", "pixels"]],
  stages: [[], ["command"], ["./stage.ts"]],
  schema: [[]],
  report: [["p.yaml"]],
  metrics: [["p.yaml"]],
  compare: [["p.yaml", "p.yaml"]],
  runs: [[], ["p.yaml"]],
  logs: [["p.yaml", "s0"]],
  verify: [[], ["p.yaml"]],
  tag: [["name", "p.yaml"]],
  export: [["p.yaml", "out"]],
  import: [["."]],
  gc: [[]],
  cancel: [["p.yaml", "--on", "none"]],
  run: [["p.yaml"], ["p.yaml", "--json"]],
  doctor: undefined, // reads no pipeline
  exec: undefined, // needs the digest of a submission, which grants were given for
  setup: undefined, // reads no pipeline
  ui: undefined, // below: its server has to be stopped
};

Deno.test("every command is tried on a hostile project", () => {
  assertEquals(Object.keys(TRIED).sort(), Object.keys(COMMANDS).sort());
});

Deno.test({
  name: `no command starts what a pipeline names before it is granted${NO_DEBIAN ? ` (skipped: ${NO_DEBIAN})` : ""}`,
  ignore: NO_DEBIAN !== undefined,
  fn: async (t) => {
    await using project = new Project({ files: { "own/deno.json": "{}", "kind.ts": KIND } });
    pipelineOf(project, makeHostile(project));
    const marks = () => project.files("marks").filter((name) => !name.endsWith(".keep"));
    const { PATH, ...user } = { ...await userOf(project), PATH: Deno.env.get("PATH")! };
    const env = {
      ...user,
      HOME: project.path("home"),
      PATH: `.:rel:./rel::${PATH}`,
      PYTHONSTARTUP: project.path("own/start.py"),
      PYTHONHOME: project.path("own/evil"),
    };
    const cwd = project.path("own");
    for (const [command, all] of Object.entries(TRIED)) {
      for (const args of all ?? []) {
        await t.step([command, ...args].join(" "), async () => {
          const { code, stderr } = await project.cli([command, ...args], { cwd, env });
          assert([0, 1, 2].includes(code), stderr);
          assertEquals(stderr.includes("internal error"), false, stderr);
          assertEquals(marks(), []);
        });
      }
    }
    await t.step("ui", async () => {
      await using server = project.start(["ui"], { cwd, env });
      await server.said("http", "stdout");
      assertEquals(marks(), []);
    });
    await t.step("plan says that a version is not known", async () => {
      const { stdout } = await project.cli(["plan", "p.yaml"], { cwd, env });
      assertMatch(stdout, /s10 .*may-run.*the version of \/usr\/bin\/python3 is not known yet/);
    });
    await t.step("the programs would have left marks", async () => {
      for (const name of ["bin/python3", "own/tool.sh", "own/venv/bin/python3", "venv/bin/python3"]) {
        await new Deno.Command(project.path(name), { args: ["-I", "-c", "0"], stderr: "null" }).output();
      }
      const left = marks().map((path) => path.split("/").at(-1)).sort();
      assertEquals(left, ["bin_python3", "library", "own_tool_sh", "pth"]);
    });
  },
});

const KIND = `import { defineStage } from "noiseline";
import { z } from "zod";
export default defineStage({
  summary: "A stage",
  params: z.strictObject({}),
  inputs: {},
  outputs: { out: { type: "files", description: "Nothing" } },
  run: () => Promise.resolve(),
});
`;

Deno.test("the list of shipped code is up to date", async () => {
  assertEquals(shipped as Record<string, string>, await listShipped(), "run deno task generate");
});

/** Returns the rights that a pipeline asks for on a device with native code, to which nothing was granted. */
async function askedBy(file: string): Promise<string[]> {
  const loaded = await loadPipeline(file, { kinds: BUILTIN_KINDS, allowMissingInputs: true });
  assert(loaded.ok, JSON.stringify(loaded.ok || loaded.diagnostics));
  const { folder, stages } = loaded.value;
  const placed = stages.values().map((stage) => ({ stage, device: { native: true } }));
  const open = new Grants(folder, "/none/grants.json").open(requestsOf(placed, folder));
  return open.flatMap(({ uses, rights }) => rights.map((right) => `${uses} ${right.replace(/=.*\//, "=")}`));
}

for (const name of globSync("pipelines/{*,research/*,templates/*}.yaml", { cwd: CLONE }).sort()) {
  const file = basename(name);
  const program = { "pytorch.yaml": "python3", "pytorch-digits.yaml": "python3", "pytorch-parallel.yaml": "torchrun" }[
    file
  ];
  const lacks = program === undefined || hasProgram(program) ? "" : ` (skipped: no ${program})`;
  Deno.test({
    name: `nothing has to be granted to ${name}, but the start of programs${lacks}`,
    ignore: lacks !== "",
    fn: async () => {
      const needs = program === undefined ? [] : [`${file} run=${program}`];
      assertEquals([...new Set(await askedBy(`${CLONE}${name}`))], needs);
    },
  });
}

Deno.test("an edited copy, and a stranger's file in pipelines/, ask for rights", async () => {
  await using project = new Project({});
  for (const name of ["points.yaml", "points_mlp.ts", "stages/make_moons.ts"]) {
    project.copy(`pipelines/${name}`, `pipelines/${name}`);
  }
  const file = project.path("pipelines/points.yaml");
  assertEquals(await askedBy(file), []);
  const [text, code] = ["points.yaml", "points_mlp.ts"].map((name) => project.read(`pipelines/${name}`)) as [
    string,
    string,
  ];
  // Not even an edit that changes no result, such as a comment.
  project.write("pipelines/points_mlp.ts", `${code}// more\n`);
  assertEquals(await askedBy(file), ["./points_mlp.ts native"]);
  project.write("pipelines/points_mlp.ts", code);
  assertEquals(await askedBy(file), []);
  project.write("pipelines/stranger.ts", `import "./more.ts";\n${code}`);
  project.write("pipelines/more.ts", "export {};\n");
  project.write("pipelines/points.yaml", text.replace("./points_mlp.ts", "./stranger.ts"));
  assertEquals(await askedBy(file), ["./stranger.ts native"]);
  // Another meaning of a name that shipped code imports.
  project.write("pipelines/points.yaml", text);
  project.write("deno.json", '{ "imports": { "@tensorflow/tfjs-core": "./pipelines/more.ts" } }');
  const remapped = await loadPipeline(file, { kinds: BUILTIN_KINDS });
  assertEquals(remapped.ok ? await askedBy(file) : ["./points_mlp.ts native"], ["./points_mlp.ts native"]);
});
