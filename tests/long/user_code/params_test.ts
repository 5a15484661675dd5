import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { askedGrants, NO_PYTHON } from "../../support/commands.ts";
import { Project } from "../../support/project.ts";
import { ROOT } from "../../docs/blocks.ts";

const test = (name: string, fn: () => Promise<void>) =>
  Deno.test({
    name: `${name}${NO_PYTHON === undefined ? "" : ` (skipped: ${NO_PYTHON})`}`,
    ignore: NO_PYTHON !== undefined,
    fn,
  });

const WRITE = '(noiseline.outputs["out"] / "a.txt").write_text(str(noiseline.seed))\n';
const pipeline = (run: string, more = "") =>
  `name: demo\nstages:\n  a:\n    uses: command\n    with:\n      run: ${run}\n      sources: ["*.py"]\n` +
  `      steps: 10\n      params: { lr: 0.1, depth: 2, told: 3 }\n      outputs: { out: files }\n${more}`;

test("--set of a param that the file does not declare ends with exit code 2, before anything runs", async () => {
  await using project = new Project({ files: { "p.yaml": pipeline("[python3, a.py]"), "a.py": "" } });
  const { code, stderr } = await project.cli(["run", "p.yaml", "--set", "a.params.lrr=0.2", "--set", "a.depht=3"]);
  assertEquals(code, 2);
  assertMatch(stderr, /--set a\.params\.lrr=0\.2: the file declares no param "lrr" of stage "a"\n.*"a\.params\.lr"\?/);
  assertMatch(stderr, /--set a\.depht=3: the file declares no param "depht" of stage "a"\n.*"a\.params\.depth"\?/);
  assertEquals(project.exists(".noiseline"), false);
});

const notes = async (project: Project) => {
  const args = ["run", "p.yaml", "--json", "--force", "a", ...await askedGrants(project, "p.yaml")];
  const { code, events, stderr } = await project.cli(args);
  return [code, events.filter(({ type }) => type === "stage-note").map(({ message }) => message), stderr] as const;
};

test("a run names the params that a Python program never read, and those alone", async () => {
  await using project = new Project({ files: { "p.yaml": pipeline('[python3, a.py, "${params.told}"]') } });
  const saying = async (text: string) => {
    project.write("a.py", `import noiseline\n${WRITE}${text}\n`);
    const [code, said, stderr] = await notes(project);
    assertEquals(code, 0, stderr);
    return said.filter((message) => message.includes("did not read"));
  };
  assertEquals(await saying("noiseline.params['steps']; noiseline.params.get('depth')"), [
    "it did not read these params, so other values of them change nothing: lr",
  ]);
  assertEquals(await saying(""), [
    "it did not read these params, so other values of them change nothing: depth, lr, steps",
  ]);
  assertEquals(await saying("dict(**noiseline.params)"), []);
  // A program that fails may not have come to read them.
  project.write("a.py", "import noiseline\nraise SystemExit(3)\n");
  const [code, said] = await notes(project);
  assertEquals([code, said.filter((message) => message.includes("did not read"))], [1, []]);
});

test("a program that reports nothing gets no note of params", async () => {
  const line = '[sh, -c, "echo a > $0/a.txt", "${outputs.out}"]';
  await using project = new Project({ files: { "p.yaml": pipeline(line), "a.py": "" } });
  const [code, said, stderr] = await notes(project);
  assertEquals([code, said.filter((message) => message.includes("read"))], [0, []], stderr);
});

test("every way to read the params of a Python program counts", async () => {
  await using project = new Project();
  const brief = { seed: 0, inputs: {}, outputs: {}, progress: null, lock: null, code: "." };
  project.write("stage.json", JSON.stringify({ params: { a: 1, b: 2 }, ...brief }));
  const ONE = ["p['a']", "p.get('a')", "'a' in p", "'%(a)s' % p", "'{a}'.format_map(p)"];
  const ALL = [
    ...["dict(p)", "dict(**p)", "{**p}", "{}.update(p)", "json.dumps(p)", "json.dumps(p, indent=1)", "p.copy()"],
    ...["copy.copy(p)", "copy.deepcopy(p)", "pickle.dumps(p)", "pickle.loads(pickle.dumps(p))['a']", "list(p)"],
    ...["p.items()", "p.values()", "p.keys()", "p.pop('a')", "p.setdefault('a', 1)", "'{a}'.format(**p)"],
  ];
  const lines = [...ONE, ...ALL, "len(p)"].map((use) =>
    `p = type(noiseline.params)({"a": 1, "b": 2}); ${use}; left(p)`
  );
  project.write(
    "a.py",
    `import copy, json, pickle, noiseline\nleft = lambda p: print("".join(sorted(p.unread)))\n${lines.join("\n")}\n`,
  );
  const env = { NOISELINE_STAGE: project.path("stage.json"), PYTHONPATH: `${ROOT}/package/python` };
  const { success, stdout, stderr } = await new Deno.Command("python3", { args: [project.path("a.py")], env }).output();
  const said = new TextDecoder().decode(stderr);
  assertEquals(success, true, said);
  const wanted = [...ONE.map(() => "b"), ...ALL.map(() => ""), "ab"];
  assertEquals(new TextDecoder().decode(stdout).trimEnd().split("\n"), wanted);
  assertStringIncludes(said, '{"type": "unread", "params": ["a", "b"]}');
});
