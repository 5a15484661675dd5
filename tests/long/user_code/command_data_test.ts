import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { Json } from "../../support/cli_process.ts";
import { askedGrants, NO_BOX, NO_PYTHON, withoutBox } from "../../support/commands.ts";
import { denoDir } from "../../support/live_server.ts";
import { Project } from "../../support/project.ts";

/** Another home has no cache of packages. */
const DENO_DIR = await denoDir();

/** A home with pictures, notes and a key, and beside it a project with a stage that reads some of them. */
function atHome(data: string, run: string, more = ""): Project {
  const project = new Project();
  for (const name of ["pics/a.txt", "pics/b.txt", "pics/deep/c.txt", "notes.md", ".ssh/id"]) {
    project.write(`home/${name}`, `${name}\n`);
  }
  project.write("p/deno.json", "{}");
  project.write(
    "p/p.yaml",
    `name: demo
stages:
  a:
    uses: command
    with:
      run: [sh, -c, '${run} > \${outputs.out}/told.txt']
      data: ${data}
      outputs: { out: files }
${more}`,
  );
  return project;
}

const homeOf = (project: Project) => ({ HOME: project.path("home"), DENO_DIR });
const told = (project: Project) => project.read("p/outputs/demo/a/told.txt").trim().split("\n");
const atProject = (project: Project) => ({ cwd: project.path("p"), env: homeOf(project) });
const run = async (project: Project, args: readonly string[] = []) =>
  await project.cli(
    ["run", "p.yaml", ...await askedGrants(project, "p.yaml", atProject(project)), ...args],
    atProject(project),
  );

Deno.test("data of a program is in its key by content; rights name where links in it lead", async () => {
  await using project = atHome("{ pics: ~/pics }", "cat ${data.pics}/*.txt");
  Deno.symlinkSync(project.path("home/notes.md"), project.path("home/pics/linked.txt"));
  const grants = await askedGrants(project, "p.yaml", atProject(project));
  for (const path of ["home/pics", "home/notes.md"]) assertStringIncludes(grants.join(), `read=${project.path(path)}`);
  const { code, stderr } = await run(project);
  assertEquals(code, 0, stderr);
  assertEquals(told(project), ["pics/a.txt", "pics/b.txt", "notes.md"]);
  const stateAfter = async (change: () => void) => {
    change();
    const [stage] = (await project.cli(["plan", "p.yaml", "--json"], atProject(project))).json.stages as Json[];
    return [
      stage.state,
      ...stage.reasons.filter(({ code }: Json) => code === "external").map(({ name }: Json) => name),
    ];
  };
  assertEquals(await stateAfter(() => {}), ["cached"]);
  assertEquals(await stateAfter(() => project.write("home/other.txt", "beside")), ["cached"]);
  assertEquals(await stateAfter(() => project.write("home/notes.md", "new")), ["run", 'data["pics"]']);
});

Deno.test("a pattern is a folder of what matches it, and a file beside changes nothing", async () => {
  await using project = atHome('{ some: "~/pics/**/*.txt" }', "ls ${data.some}");
  const { code, stderr } = await run(project);
  assertEquals(code, 0, stderr);
  assertEquals(told(project), ["a.txt", "b.txt", "deep"]);
  project.write("home/pics/none.md", "no text");
  assertMatch((await project.cli(["plan", "p.yaml"], atProject(project))).stdout, /cached/);
  Deno.renameSync(project.path("home/pics/b.txt"), project.path("home/pics/d.txt"));
  assertMatch((await project.cli(["plan", "p.yaml"], atProject(project))).stdout, /a {2}run/);
});

Deno.test("the folder of a model from a hub is found by its library, which looks nowhere else", async () => {
  const model = "home/.cache/huggingface/hub/models--some--net";
  const run_ =
    "(cat $HF_HUB_CACHE/models--some--net/snapshots/1/w.bin; echo; echo $HF_HUB_OFFLINE; ls $TORCH_HOME/hub)";
  await using project = atHome("{ net: ~/.cache/huggingface/hub/models--some--net, torch: ~/.cache/torch }", run_);
  project.write(`${model}/blobs/1`, "weights");
  Deno.mkdirSync(project.path(`${model}/snapshots/1`), { recursive: true });
  Deno.symlinkSync("../../blobs/1", project.path(`${model}/snapshots/1/w.bin`));
  project.write("home/.cache/torch/hub/checkpoints/net.pth", "weights");
  const { code, stderr } = await run(project);
  assertEquals(code, 0, stderr);
  assertEquals(told(project), ["weights", "1", "checkpoints"]);
});

Deno.test({
  name: `what a program does not declare is not there${NO_BOX === undefined ? "" : ` (skipped: ${NO_BOX})`}`,
  ignore: NO_BOX !== undefined,
  fn: async () => {
    await using project = atHome("{ pics: ~/pics/a.txt }", "cat $FILE", "      env: { FILE: none }\n");
    const file = project.path("home/pics/deep/c.txt");
    const { code, stderr } = await run(project, ["--set", `a.env.FILE=${file}`]);
    assertEquals(code, 1, stderr);
    assertStringIncludes(stderr, `it reads ${file}, which is not among its data`);
    assertStringIncludes(stderr, `data: { NAME: ${file} }`);
    project.write(
      "p/p.yaml",
      project.read("p/p.yaml").replace("data:", `sees: [${project.path("home/pics")}]\n      data:`),
    );
    const seen = await run(project, ["--set", `a.env.FILE=${file}`]);
    assertEquals(seen.code, 0, seen.stderr);
    assertEquals(told(project), ["pics/deep/c.txt"]);
  },
});

Deno.test("data that changes while the program runs makes no result", async () => {
  await using project = atHome("{ pics: ~/pics }", "echo ok");
  // A program without a box may write to what its user may write to.
  project.write("bin/sh", `#!/bin/sh\necho more >> ${project.path("home/pics/a.txt")}\nexec /bin/sh "$@"\n`);
  Deno.chmodSync(project.path("bin/sh"), 0o755);
  project.write("bin/bwrap", "#!/bin/sh\nexit 1\n");
  Deno.chmodSync(project.path("bin/bwrap"), 0o755);
  const env = { ...homeOf(project), PATH: `${project.path("bin")}:${Deno.env.get("PATH")}` };
  const at = { cwd: project.path("p"), env };
  const { code, stderr } = await project.cli(["run", "p.yaml", ...await askedGrants(project, "p.yaml", at)], at);
  assertEquals(code, 1, stderr);
  assertMatch(stderr, /data\["pics"\][^\n]*changed|changed[^\n]*data\["pics"\]/);
});

Deno.test({
  name: `a Python gets its data as paths${NO_PYTHON === undefined ? "" : ` (skipped: ${NO_PYTHON})`}`,
  ignore: NO_PYTHON !== undefined,
  fn: async () => {
    await using project = atHome("{ pics: ~/pics }", "true");
    project.write(
      "p/a.py",
      "import noiseline\ntext = (noiseline.data['pics'] / 'a.txt').read_text()\n" +
        "(noiseline.outputs['out'] / 'told.txt').write_text(text)\n",
    );
    const written = project.read("p/p.yaml").replace(/run: .*/, "run: [python3, a.py]\n      sources: [a.py]");
    project.write("p/p.yaml", written);
    const { code, stderr } = await run(project);
    assertEquals(code, 0, stderr);
    assertEquals(told(project), ["pics/a.txt"]);
  },
});

Deno.test({
  name: `without a box a Python fails at the first undeclared file that it opens${
    NO_PYTHON === undefined ? "" : ` (skipped: ${NO_PYTHON})`
  }`,
  ignore: NO_PYTHON !== undefined,
  fn: async () => {
    await using project = atHome("{ pics: ~/pics }", "true");
    const file = project.path("home/notes.md");
    Deno.utimeSync(file, 1e9, 1e9);
    const script = (path: string) =>
      `import noiseline\nopen(noiseline.data['pics'] / 'a.txt')\nopen('left.txt', 'w').write('a')\n` +
      `text = open('${path}').read()\n(noiseline.outputs['out'] / 'told.txt').write_text(text)\n`;
    const written = project.read("p/p.yaml").replace(/run: .*/, "run: [python3, a.py]\n      sources: [a.py]");
    project.write("p/p.yaml", written);
    const { cwd, env } = atProject(project);
    const at = { cwd, env: { ...env, ...withoutBox(project) } };
    project.write("p/a.py", script("left.txt"));
    const good = await project.cli(["run", "p.yaml", ...await askedGrants(project, "p.yaml", at)], at);
    assertEquals(good.code, 0, good.stderr);
    project.write("p/a.py", script(file));
    const { code, stderr } = await project.cli(["run", "p.yaml"], at);
    assertEquals(code, 1, stderr);
    assertStringIncludes(stderr, `it reads ${file}, which is not among its data`);
    assertStringIncludes(stderr, `data: { NAME: ${file} }`);
  },
});

/** Has a Python script instead of the shell, and runs it where there seems to be no box too. */
function scripted(project: Project, script: string) {
  project.write("p/a.py", `import noiseline\n${script}\n(noiseline.outputs['out'] / 'told.txt').write_text('a')\n`);
  const written = project.read("p/p.yaml").replace(/run: .*/, "run: [python3, a.py]\n      sources: [a.py]");
  project.write("p/p.yaml", written);
  const { cwd, env } = atProject(project);
  const unboxed = { cwd, env: { ...env, ...withoutBox(project) } };
  return NO_BOX === undefined ? [atProject(project), unboxed] : [unboxed];
}

/** Scripts that read what is not declared, and what the error and its fix say. */
const WANTS: readonly (readonly [script: string, message: RegExp, fix: RegExp])[] = [
  [
    "import os; os.listdir('HOME/pics/deep')",
    /it lists HOME\/pics\/deep, which is/,
    /data: { NAME: HOME\/pics\/deep }/,
  ],
  ["import glob; glob.glob('HOME/pics/deep/*.txt')", /it lists HOME\/pics\/deep,/, /{ NAME: HOME\/pics\/deep }/],
  ["from pathlib import Path; list(Path('HOME/pics/deep').rglob('*'))", /it lists HOME\/pics\/deep,/, /{ NAME: HOME/],
  ["import glob; glob.glob('sub/*')", /it lists sub, which is not among its data/, /data: { NAME: sub }/],
  ["import os; os.listdir('../home/pics')", /it lists \.\.\/home\/pics, which/, /data: { NAME: \.\.\/home\/pics }/],
  ["open('../home/notes.md')", /it reads \.\.\/home\/notes\.md, which/, /data: { NAME: \.\.\/home\/notes\.md }/],
  ["open('HOME/one.txt')", /it reads HOME\/one\.txt, which it gets as data\["one"\]/, /noiseline\.data\["one"\], or/],
  [
    "open('HOME/many/a.txt')",
    /which it gets as data\["many"\]/,
    /noiseline\.data\["many"\] \/ "a\.txt", or write \$\{data\.many}/,
  ],
  ["import os; os.listdir('HOME/many')", /it lists HOME\/many, which it gets as/, /noiseline\.data\["many"\], or/],
  ["raise ValueError('no')", /File "a\.py", line 2/, /./],
];

Deno.test({
  name: `an undeclared file or folder ends a Python with the line to add${
    NO_PYTHON === undefined ? "" : ` (skipped: ${NO_PYTHON})`
  }`,
  ignore: NO_PYTHON !== undefined,
  fn: async () => {
    for (const [script, message, fix] of WANTS) {
      await using project = atHome("{ one: ~/one.txt, many: ~/many }", "true");
      for (const name of ["home/one.txt", "home/many/a.txt", "p/sub/a.txt"]) project.write(name, "a");
      const old = ["one.txt", "many/a.txt", "many", "pics/deep", "notes.md"].map((name) =>
        project.path(`home/${name}`)
      );
      for (const path of old) Deno.utimeSync(path, 1e9, 1e9);
      const home = project.path("home");
      const places = scripted(project, script.replaceAll("HOME", home));
      for (const at of places) {
        const { code, stderr } = await project.cli(
          ["run", "p.yaml", ...await askedGrants(project, "p.yaml", at), "--force", "a"],
          at,
        );
        assertEquals(code, 1, `${script}: ${stderr}`);
        const told = stderr.replaceAll(home, "HOME");
        assertMatch(told, message, script);
        assertMatch(told, fix, script);
      }
    }
  },
});

Deno.test({
  name: `a Python lists what it may: its data, its inputs, what it made and what is nowhere${
    NO_PYTHON === undefined ? "" : ` (skipped: ${NO_PYTHON})`
  }`,
  ignore: NO_PYTHON !== undefined,
  fn: async () => {
    await using project = atHome("{ pics: ~/pics }", "true");
    const script = "import glob, os, tempfile\nassert len(os.listdir(noiseline.data['pics'])) == 3\n" +
      "os.makedirs('made/sub'); assert os.listdir('made') == ['sub']; assert glob.glob('none/*') == []\n" +
      "with tempfile.TemporaryDirectory() as t: assert os.listdir(t) == []\nglob.glob('/tmp/*'); os.listdir('.')";
    for (const at of scripted(project, script)) {
      const grants = await askedGrants(project, "p.yaml", at);
      const { code, stderr } = await project.cli(["run", "p.yaml", ...grants, "--force", "a"], at);
      assertEquals(code, 0, stderr);
    }
  },
});

const AT_ROOT = `/noiseline-test-${crypto.randomUUID()}`;
/** Why no folder can be made at the root of the disk; undefined if one can. */
function noRoot(): string | undefined {
  try {
    Deno.mkdirSync(AT_ROOT);
    Deno.removeSync(AT_ROOT);
    return undefined;
  } catch {
    return "no right to make a folder in /";
  }
}
const NO_ROOT = NO_BOX ?? noRoot();

Deno.test({
  name: `folders at the root are not there unless declared${NO_ROOT === undefined ? "" : ` (skipped: ${NO_ROOT})`}`,
  ignore: NO_ROOT !== undefined,
  fn: async () => {
    await using project = atHome(`{ pics: ${AT_ROOT}/pics }`, `(cat \${data.pics}/a.txt; echo; ls ${AT_ROOT})`);
    try {
      for (const name of ["pics", "own"]) Deno.mkdirSync(`${AT_ROOT}/${name}`, { recursive: true });
      for (const name of ["pics", "own"]) Deno.writeTextFileSync(`${AT_ROOT}/${name}/a.txt`, "read");
      const { code, stderr } = await run(project);
      assertEquals(code, 0, stderr);
      assertEquals(told(project), ["read"]);
      // A container may have its project there, alone.
      Deno.copyFileSync(project.path("p/p.yaml"), `${AT_ROOT}/p.yaml`);
      Deno.writeTextFileSync(`${AT_ROOT}/deno.json`, "{}");
      const at = { cwd: AT_ROOT, env: homeOf(project) };
      const own = await project.cli(["run", "p.yaml", ...await askedGrants(project, "p.yaml", at)], at);
      assertEquals(own.code, 0, own.stderr);
      const listed = Deno.readTextFileSync(`${AT_ROOT}/outputs/demo/a/told.txt`);
      assertMatch(listed, /own/);
    } finally {
      Deno.removeSync(AT_ROOT, { recursive: true });
    }
  },
});
