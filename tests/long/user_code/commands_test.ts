import { assert, assertEquals, assertMatch } from "@std/assert";
import { checkOutputs } from "../../../artifacts/types.ts";
import type { StageContext } from "../../../engine/contract/stage.ts";
import { askedGrants, NO_PYTHON, withoutBox } from "../../support/commands.ts";
import type { Json } from "../../support/cli_process.ts";
import { gridPng } from "../../../artifacts/pictures.ts";
import { runAndCheckPlan } from "../../support/check_plan.ts";
import { CLONE } from "../../support/cli_process.ts";
import { dirname, join } from "node:path";
import { PYTHON, whyNoPeers } from "../../support/peers.ts";
import { Project } from "../../support/project.ts";
import { findBlocks, ROOT } from "../../docs/blocks.ts";

const COUNT = `name: demo
stages:
  count:
    uses: command
    with:
      run: [python3, count.py]
      sources: ["*.py"]
      lock: lock.txt
      steps: 10
      resumes: true
      outputs: { out: files }
`;

function counting(text: string = COUNT): Project {
  const project = new Project({ files: { "p.yaml": text, "lock.txt": "# nothing\n" } });
  for (const name of ["count.py", "mix.py"]) project.copy(`tests/support/stages/${name}`, name);
  return project;
}

/** Returns the lines that the program wrote about itself: `from 0`, `step 1`, `saved 5`. */
function told(project: Project): string[] {
  const [file] = project.files(".noiseline/progress").filter((name) => name.endsWith("/told.txt"));
  return project.read(`.noiseline/progress/${file}`).trim().split("\n");
}

/** The total after so many steps, as count.py adds up. */
const totalOf = (steps: number) => {
  let total = 0;
  for (let step = 1; step <= steps; step++) total = (2 * total + step) % 1_000_003;
  return `${total}\n`;
};

const test = (name: string, fn: () => Promise<void>) =>
  Deno.test({
    name: `${name}${NO_PYTHON === undefined ? "" : ` (skipped: ${NO_PYTHON})`}`,
    ignore: NO_PYTHON !== undefined,
    fn,
  });

test("a program runs once until what it is made of changes; why names the file", async () => {
  await using project = counting();
  const grants = await askedGrants(project, "p.yaml");
  const refused = await project.cli(["run", "p.yaml"]);
  assertEquals(refused.code, 2);
  assertMatch(refused.stderr, /p\.yaml asks for rights that you have not granted[^]*run=.*python3/);
  await runAndCheckPlan(project, ["p.yaml"], { runOnly: grants });
  assertEquals(project.read("outputs/demo/count/total.txt"), totalOf(10));

  /** Changes something, and returns the state of the stage and the reasons for it; then undoes the change. */
  const after = async (name: string, content: string): Promise<readonly [string, ...unknown[]]> => {
    const before = project.exists(name) ? project.read(name) : undefined;
    project.write(name, content);
    const [stage] = (await project.cli(["plan", "p.yaml", "--json"])).json.stages as Json[];
    if (before === undefined) project.remove(name);
    else project.write(name, before);
    return [stage.state, ...stage.reasons.map(({ code, name }: Json) => `${code} ${name}`)];
  };
  assertEquals(await after("p.yaml", `# a comment\n${COUNT}    # another\n`), ["cached"]);
  assertEquals(await after("p.yaml", COUNT.replace('["*.py"]', "[mix.py, count.py]")), ["cached"]);
  assertEquals(await after("mix.py", `# a line\n\n${project.read("mix.py")}# a line\n`), ["cached"]);
  assertEquals(await after("mix.py", `${project.read("mix.py")}more = 1\n`), ["run", 'external sources["mix.py"]']);
  assertEquals(await after("lock.txt", "# something\n"), ["run", "external lock"]);
  assertEquals(await after("more.py", ""), ["run", 'external sources["more.py"]']);
  assertEquals(await after("other.txt", "no source"), ["cached"]);
  assertEquals(await after("p.yaml", `${COUNT}      env: { A: 1 }\n`), ["run", "param env.A"]);
  assertEquals((await after("p.yaml", `${COUNT}    seed: 7\n`))[1], "param seed");
  project.write("mix.py", `${project.read("mix.py")}more = 1\n`);
  assertMatch((await project.cli(["why", "p.yaml", "count"])).stdout, /mix\.py/);
  // The grant is remembered, and an edited program needs no other.
  await runAndCheckPlan(project, ["p.yaml"]);
});

const noNumpy = whyNoPeers("numpy");
/** Python 3 is the one that has NumPy. */
const WITH_NUMPY = { PATH: `${dirname(PYTHON)}:${Deno.env.get("PATH")}` };
const testWithNumpy = (name: string, fn: () => Promise<void>) =>
  Deno.test({
    name: `${name}${noNumpy === undefined ? "" : ` (skipped: ${noNumpy})`}`,
    ignore: noNumpy !== undefined,
    fn,
  });

testWithNumpy("the program of docs/other-languages.md runs, goes on, and is scored", async () => {
  const blocks = findBlocks(Deno.readTextFileSync(`${ROOT}/docs/other-languages.md`), "");
  const [yaml, python] = ["yaml", "python"].map((language) => blocks.find((one) => one.language === language)!.text);
  await using project = new Project({ files: { "mean.yaml": yaml!, "mean.py": python! } });
  const grants = ["--grant", "train:run=python3"];
  await runAndCheckPlan(project, ["mean.yaml"], { runOnly: grants, env: WITH_NUMPY });
  const { planned } = await runAndCheckPlan(project, ["mean.yaml", "--set", "train.steps=120"], {
    runOnly: grants,
    env: WITH_NUMPY,
  });
  assertEquals(planned["train"], "extend");
  const { code, stdout } = await project.cli(["metrics", "mean.yaml"], { env: WITH_NUMPY });
  assertEquals(code, 0);
  assertMatch(stdout, /KD-pixels/);
});

testWithNumpy("the script of docs/other-languages.md runs without noiseline as the page says", async () => {
  const blocks = findBlocks(Deno.readTextFileSync(`${ROOT}/docs/other-languages.md`), "");
  const block = (language: string, part: string) =>
    blocks.find((one) => one.language === language && one.text.includes(part))!.text;
  await using project = new Project({
    files: { "mean.yaml": block("yaml", "uses"), "mean.py": block("python", "mean.py") },
  });
  for (const { name } of Deno.readDirSync(join(CLONE, "package/python/noiseline"))) {
    if (name.endsWith(".py")) project.copy(`package/python/noiseline/${name}`, `noiseline/${name}`);
  }
  project.write("alone.json", block("json", "alone/samples"));
  assertEquals((await project.cli(["run", "mean.yaml", "digits"])).code, 0);
  const start = async (env: Record<string, string>, line: string) => {
    const args = ["-c", line];
    const { code, stderr } = await new Deno.Command("/bin/sh", { args, cwd: project.root, env, clearEnv: true })
      .output();
    return [code, new TextDecoder().decode(stderr)] as const;
  };
  const env = WITH_NUMPY;
  const [code, said] = await start(env, block("text", "NOISELINE_STAGE="));
  assertEquals(code, 0, said);
  assertMatch(said, /^\{"type": "progress", "done": 1, "total": 10,/m);
  assertMatch(said, /^\{"type": "saved", "step": 10\}$/m);
  const end = await checkOutputs(
    { samples: { type: "images", description: "" } },
    {
      samples: { folder: project.path("alone/samples") },
    } as unknown as StageContext["outputs"],
  );
  assertEquals(end, undefined);
  // Without the file, the error says where all this is.
  assertMatch((await start(env, "python3 mean.py --noise 20"))[1], /docs\/other-languages\.md, 'Without noiseline'/);
});

test("lines of a lock that are not checked are named", async () => {
  await using project = new Project({});
  project.write("a.py", 'import noiseline\n(noiseline.outputs["out"] / "a.txt").write_text("a")\n');
  project.write(
    "lock.txt",
    "# numpy==1\n--index-url https://a/b\nb>=2 \\\n    --hash=sha256:1\n\npip==@VERSION@ ; python_version > '3'\n-r more.txt\nc\n",
  );
  const asked = await new Deno.Command("python3", {
    args: ["-c", "from importlib import metadata; print(metadata.version('pip'))"],
  }).output();
  const version = new TextDecoder().decode(asked.stdout).trim();
  project.write("lock.txt", project.read("lock.txt").replace("@VERSION@", version));
  const with_ = "{ run: [python3, a.py], sources: [a.py], lock: lock.txt, outputs: { out: files } }";
  project.write("p.yaml", `name: demo\nstages:\n  a: { uses: command, with: ${with_} }\n`);
  const { code, stderr } = await project.cli(["run", "p.yaml", "--grant", "a:run=python3"]);
  assertEquals(code, 0, stderr);
  assertMatch(stderr, /^a: not checked in lock\.txt, as no version is pinned: b>=2 \\, -r more\.txt, c$/m);
});

test("a program's figures are printed when a run ends, also where another stage goes on from its samples", async () => {
  await using project = new Project({});
  const record = (name: string) =>
    `{\\"format\\": 1, \\"metrics\\": [{\\"name\\": \\"${name}\\", \\"value\\": 2, \\"count\\": 3}]}`;
  const line = (name: string, more = "") =>
    `[sh, -c, "echo '${record(name)}' > \${outputs.scores}/metrics.json${more}"]`;
  project.write(
    "p.yaml",
    `name: demo
stages:
  first:
    uses: command
    with: { run: ${line("far", "; echo > ${outputs.drawn}/a.txt")}, outputs: { scores: metrics, drawn: files } }
  second:
    uses: command
    inputs: { from: first.drawn }
    with: { run: ${line("near")}, outputs: { scores: metrics } }
`,
  );
  const asked = await project.cli(["validate", "p.yaml"]);
  assertMatch(asked.stdout, /^ +first, second +p\.yaml +run=\S+sh +not granted/m);
  const { code, events, stderr } = await project.cli(["run", "p.yaml", "--json", "--grant", "first:run=sh"]);
  assertEquals(code, 0, stderr);
  const { scores } = events.find(({ type }) => type === "run-finished")!;
  assertEquals(scores.map(({ stage, metric }: Json) => `${stage} ${metric}`), ["first far", "second near"]);
});

test("a program's last words are in the log once, and in the message", async () => {
  await using project = new Project({});
  project.write("a.py", 'print("first")\nraise ValueError("a reason\\nof two lines")\n');
  const with_ = "{ run: [python3, a.py], sources: [a.py], outputs: { out: files } }";
  project.write("p.yaml", `name: demo\nstages:\n  a: { uses: command, with: ${with_} }\n`);
  const { code, stderr } = await project.cli(["run", "p.yaml", "--grant", "a:run=python3"]);
  assertEquals(code, 1);
  assertMatch(stderr, /it exited with code 1[^]*ValueError: a reason\n *of two lines/);
  const { stdout } = await project.cli(["logs", "p.yaml", "a"]);
  assertEquals(stdout.split("ValueError: a reason").length, 2, stdout);
  assertMatch(stdout, /\nfailed: it exited with code 1\n$/);
});

test("any other program counts by its bytes", async () => {
  await using project = new Project({});
  const write = (text: string) => {
    project.write("tool.sh", `#!/bin/sh\necho ${text} > "$1/a.txt"\n`);
    Deno.chmodSync(project.path("tool.sh"), 0o755);
  };
  write("one");
  project.write(
    "p.yaml",
    'name: demo\nstages:\n  a: { uses: command, with: { run: [./tool.sh, "${outputs.out}"], outputs: { out: files } } }\n',
  );
  const run = async () => await project.cli(["run", "p.yaml", "--grant", "a:run=./tool.sh"]);
  assertEquals((await run()).code, 0);
  assertEquals(project.read("outputs/demo/a/a.txt"), "one\n");
  write("two");
  const [stage] = (await project.cli(["plan", "p.yaml", "--json"])).json.stages as Json[];
  assertEquals(stage.reasons.map(({ code, name }: Json) => `${code} ${name}`), ["param interpreter"]);
  assertEquals((await run()).code, 0);
  assertEquals(project.read("outputs/demo/a/a.txt"), "two\n");
});

test("more steps go on from the saved ones, and fewer do not use them", async () => {
  await using project = counting();
  const grants = await askedGrants(project, "p.yaml");
  const run = async (steps: number) => {
    const { planned } = await runAndCheckPlan(project, ["p.yaml", "--set", `count.steps=${steps}`], {
      runOnly: grants,
    });
    assertEquals(project.read("outputs/demo/count/total.txt"), totalOf(steps));
    return planned["count"];
  };
  // Before it is granted, its version and so its key are not known, unless this user has run the same Python before.
  assertMatch(String(await run(10)), /^(may-)?run$/);
  assertEquals(await run(20), "extend");
  assertEquals(told(project).filter((line) => line.startsWith("from")), ["from 0", "from 10"]);
  assertEquals(await run(7), "run");
  assertEquals(told(project).filter((line) => line.startsWith("from")).at(-1), "from 0");
});

for (const contained of [true, false]) {
  test(`SIGTERM lets a program save, and the next run goes on${contained ? "" : ", without bubblewrap too"}`, async () => {
    await using project = counting(`${COUNT}      params: { pause: 0.05 }\n`.replace("steps: 10", "steps: 43"));
    const env = contained ? {} : withoutBox(project);
    const args = ["run", "p.yaml", "--json", ...await askedGrants(project, "p.yaml")];
    await using running = project.start(args, { env });
    await running.event(({ type, step }) => type === "stage-saved" && step >= 10);
    running.signal("SIGTERM");
    const { code, events } = await running.outcome();
    assertEquals(code, 130);
    // It saved the step that it was in, whichever that was.
    const last = told(project).at(-1);
    const { state, message } = events.find(({ type }) => type === "stage-finished")!;
    assertEquals([state, message], ["interrupted", `run again to go on from ${last}`]);
    await project.cli(args, { env });
    assertEquals(project.read("outputs/demo/count/total.txt"), totalOf(43));
    const steps = told(project).filter((line) => line.startsWith("step"));
    assertEquals(new Set(steps).size, steps.length, last);
  });
}

test("a program that saves nothing is stopped at once", async () => {
  await using project = new Project({});
  const with_ = '{ run: [sh, -c, "echo >&2 waiting; sleep 600"], outputs: { out: files } }';
  project.write("p.yaml", `name: demo\nstages:\n  a: { uses: command, with: ${with_} }\n`);
  await using running = project.start(["run", "p.yaml", "--json", ...await askedGrants(project, "p.yaml")]);
  await running.event(({ type }) => type === "stage-started");
  running.signal("SIGTERM");
  const { code, events } = await running.outcome();
  assertEquals(code, 130);
  const end = events.find(({ type }) => type === "stage-finished");
  assertEquals(end?.message, "it starts over next time: without resumes: true a program saves nothing");
});

test("a program sees the variables that are declared, and no cards that are not", async () => {
  await using project = new Project({});
  const code =
    "import json, os, noiseline\njson.dump(dict(os.environ), open(noiseline.outputs['out'] / 'env.json', 'w'))\n";
  project.write("a.py", code);
  const with_ = "{ run: [python3, a.py], sources: [a.py], env: { OMP_NUM_THREADS: 2 }, outputs: { out: files } }";
  project.write("p.yaml", `name: demo\nstages:\n  a: { uses: command, with: ${with_} }\n`);
  const env = { SECRET: "1", CUDA_VISIBLE_DEVICES: "7", PYTHONPATH: "/nowhere" };
  const { code: ended } = await project.cli(["run", "p.yaml", ...await askedGrants(project, "p.yaml")], { env });
  assertEquals(ended, 0);
  const seen = JSON.parse(project.read("outputs/demo/a/env.json"));
  assertEquals([seen.SECRET, seen.CUDA_VISIBLE_DEVICES, seen.OMP_NUM_THREADS], [undefined, "", "2"]);
  assertMatch(seen.PYTHONPATH, /\/lib$/);
});

Deno.test("programs take turns unless they say how many processors they need, and are told what they have", async () => {
  await using project = new Project({});
  const stage = (id: string, more: string) => {
    const print =
      `(date +%s%N; printenv OMP_NUM_THREADS || echo unset; sleep 0.3; date +%s%N; : ${more.length}) > \${outputs.out}/${id}.txt`;
    return `  ${id}: { uses: command, with: { run: [sh, -c, '${print}'], outputs: { out: files } }${more} }\n`;
  };
  const timesAfter = async (more: string) => {
    project.write("p.yaml", `name: demo\nstages:\n${stage("a", more)}${stage("b", more)}`);
    const granted = await askedGrants(project, "p.yaml");
    const { code, stderr } = await project.cli(["run", "p.yaml", ...granted]);
    assertEquals(code, 0, stderr);
    return ["a", "b"].map((id) => project.read(`outputs/demo/${id}/${id}.txt`).trim().split("\n")).sort();
  };
  const [first, second] = await timesAfter("");
  assert(first![2]! < second![0]!, `${first} overlaps ${second}`);
  assertEquals([first![1], second![1]], ["unset", "unset"]);
  const told = await timesAfter(", resources: { cpu: 1 }");
  assertEquals(told.map(([, threads]) => threads), ["1", "1"]);
  const most = await timesAfter(", resources: { cpu: 1024 }");
  assertEquals(most.map(([, threads]) => Number(threads)), [
    navigator.hardwareConcurrency,
    navigator.hardwareConcurrency,
  ]);
});

test("a launcher that is started as a module chooses the threads of its processes itself", async () => {
  await using project = new Project({});
  const sources = ["torch/__init__.py", "torch/distributed/__init__.py", "torch/distributed/run.py"];
  for (const source of sources) project.write(source, "");
  project.write(
    sources[2]!,
    "import os, noiseline\n(noiseline.outputs['out'] / 'a.txt').write_text(str(os.environ.get('OMP_NUM_THREADS')))\n",
  );
  const with_ = `{ run: [python3, -m, torch.distributed.run], sources: ["torch/**/*.py"], outputs: { out: files } }`;
  project.write(
    "p.yaml",
    `name: demo\nstages:\n  a: { uses: command, with: ${with_}, resources: { cpu: 1 } }\n`,
  );
  const { code, stderr } = await project.cli(["run", "p.yaml", "--grant", "a:run=python3"]);
  assertEquals(code, 0, stderr);
  assertEquals(project.read("outputs/demo/a/a.txt"), "None");
});

test("figures and pictures of a program are shown, and a bad line is only logged", async () => {
  await using project = new Project({});
  const png = gridPng([new Uint8Array(4)], { height: 2, width: 2, channels: 1 }).toBase64();
  project.write(
    "a.py",
    `import base64, os, noiseline
noiseline.log(1, 2, loss=0.5, late=float("nan"))
noiseline.preview(1, base64.b64decode("${png}"))
os.write(3, b'{"type": "progress", "done": "much"}\\nno json\\n')
noiseline.log(2, 2, loss=0.25)
(noiseline.outputs["out"] / "a.txt").write_text("a")
`,
  );
  const with_ = "{ run: [python3, a.py], sources: [a.py], outputs: { out: files } }";
  project.write("p.yaml", `name: demo\nstages:\n  a: { uses: command, with: ${with_} }\n`);
  const { code, events } = await project.cli(["run", "p.yaml", "--json", "--grant", "a:run=python3"]);
  assertEquals(code, 0);
  const of = (type: string) => events.filter((event) => event.type === type);
  assertEquals(of("stage-progress").map(({ update }) => [update.done, update.figures]), [
    [1, { loss: 0.5, late: null }],
    [2, { loss: 0.25 }],
  ]);
  assertEquals(of("stage-preview").map(({ step }) => step), [1]);
  const [log] = project.files(".noiseline/runs").filter((name) => name.endsWith("logs/a.log"));
  assertMatch(project.read(`.noiseline/runs/${log}`), /not an event: \{"type": "progress"[^]*not an event: no json/);
});

test("the last report of a program is shown although it then says nothing for long", async () => {
  await using project = new Project({});
  const go = project.path("go.txt");
  project.write(
    "a.py",
    `import os, time, noiseline
for step in (1, 2, 3):
    noiseline.log(step, 10)
while not os.path.exists(${JSON.stringify(go)}):
    time.sleep(0.05)
(noiseline.outputs["out"] / "a.txt").write_text("a")
`,
  );
  const with_ = "{ run: [python3, a.py], sources: [a.py], outputs: { out: files } }";
  project.write("p.yaml", `name: demo\nstages:\n  a: { uses: command, with: ${with_} }\n`);
  await using running = project.start(["run", "p.yaml", "--json", "--grant", "a:run=python3"]);
  // The program ends only once its last report has been seen.
  await running.event(({ type, update }) => type === "stage-progress" && update.done === 3);
  project.write("go.txt", "");
  assertEquals((await running.outcome()).code, 0);
});
