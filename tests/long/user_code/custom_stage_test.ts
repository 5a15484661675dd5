import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { Json } from "../../support/cli_process.ts";
import { runAndCheckPlan } from "../../support/check_plan.ts";
import { Project } from "../../support/project.ts";

function finished(events: readonly Json[]): Record<string, Json> {
  return Object.fromEntries(
    events.filter(({ type }) => type === "stage-finished").map((event) => [event.id, event]),
  );
}

/** The expected message for each attempt: what was tried, and what to declare. */
const TRESPASSES: Readonly<Record<string, readonly [RegExp, RegExp]>> = {
  read: [/^the stage may not read .*victim\.txt: it is not one of its inputs$/, /as a param with externalFile/],
  list: [/^the stage may not read .*\.noiseline: it is not one of its inputs$/, /as an input/],
  write: [/^the stage may not write .*victim\.txt: it is outside its outputs$/, /outputs\.PORT\.write/],
  input: [/^the stage may not write .*text\.txt: inputs are read-only$/, /write a changed copy/],
  net: [/^the stage may not use the network: 127\.0\.0\.1:8088$/, /permissions: \{ net: \["127\.0\.0\.1:8088"\] \}/],
  env: [/^the stage may not read the variable HOME$/, /permissions: \{ env: \["HOME"\] \}/],
  run: [/^the stage may not .*(start programs|read)/, /./],
  ffi: [/^the stage may not load native code: .*libc/, /permissions: \{ native/],
  import: [/^the stage may not read .*lib\.ts: it is not one of its inputs/, /./],
};

Deno.test("run refuses and explains when a stage does what it did not declare", async () => {
  await using project = new Project({ stages: ["cook", "trespass"] });
  const victim = project.path("victim.txt");
  project.write("victim.txt", "untouched");
  project.write("lib.ts", "export {};\n");
  project.write(
    "p.yaml",
    `name: demo
stages:
  given: { uses: ./cook.ts, with: { text: hello } }
  read: { uses: ./trespass.ts, with: { how: read, target: "${victim}" } }
  list: { uses: ./trespass.ts, with: { how: list, target: "${project.path(".noiseline")}" } }
  write: { uses: ./trespass.ts, with: { how: write, target: "${victim}" } }
  input: { uses: ./trespass.ts, with: { how: overwrite-input }, inputs: { from: given } }
  net: { uses: ./trespass.ts, with: { how: net } }
  env: { uses: ./trespass.ts, with: { how: env } }
  run: { uses: ./trespass.ts, with: { how: run } }
  ffi: { uses: ./trespass.ts, with: { how: ffi } }
  import: { uses: ./trespass.ts, with: { how: import, target: "file://${project.path("lib.ts")}" } }
`,
  );
  const { outcome, ended } = await runAndCheckPlan(project, ["p.yaml"], { runOnly: ["--keep-going"], code: 1 });
  const ends = finished(outcome.events);
  for (const [id, [message, fix]] of Object.entries(TRESPASSES)) {
    assertEquals(ended[id], "failed", id);
    assertMatch(ends[id].message, message, id);
    assertMatch(ends[id].fix, fix, id);
  }
  assertEquals(ended["given"], "ran");
  assertEquals(project.read("victim.txt"), "untouched");
  assertEquals(project.shown(), ["given"]);
  assertEquals(project.list(".noiseline/results").length, 1);
});

Deno.test("run lets a stage connect and read variables when it declares them", async () => {
  const stage = `import { defineStage } from "noiseline";
import { z } from "zod";

export default defineStage({
  summary: "Asks a server",
  params: z.strictObject({ port: z.int() }),
  inputs: {},
  outputs: { out: { type: "files", description: "The answer" } },
  permissions: { net: ["127.0.0.1"], env: ["NOISELINE_TEST_WORD"] },
  async run({ params, outputs }) {
    const answer = await fetch(\`http://127.0.0.1:\${params.port}/\`);
    await outputs.out.write("text.txt", \`\${await answer.text()} \${Deno.env.get("NOISELINE_TEST_WORD")}\`);
  },
});
`;
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, () => new Response("hi"));
  await using project = new Project({ files: { "ask.ts": stage } });
  project.write("p.yaml", `name: demo\nstages:\n  a: { uses: ./ask.ts, with: { port: ${server.addr.port} } }\n`);
  const grant = "a:net=127.0.0.1,env=NOISELINE_TEST_WORD";
  const env = { NOISELINE_TEST_WORD: "there" };
  const { code, stderr } = await project.cli(["run", "p.yaml", "--grant", grant], { env });
  assertEquals(code, 0, stderr);
  assertEquals(project.read("outputs/demo/a/text.txt"), "hi there");
});

Deno.test("run gives the same bytes wherever the machine stands and whatever language it speaks", async () => {
  const stage = `import { defineStage } from "noiseline";
import { z } from "zod";

export default defineStage({
  summary: "Says what differs between machines",
  params: z.strictObject({}),
  inputs: {},
  outputs: { out: { type: "files", description: "It" } },
  async run({ outputs }) {
    const date = new Date(2026, 6, 1, 12);
    const words = ["z", "ä", "a", "I"].sort((a, b) => a.localeCompare(b)).join("").toLocaleLowerCase();
    await outputs.out.write("text.txt", [date.toISOString(), date.toLocaleString(), 1234.5.toLocaleString(), words].join("|"));
  },
});
`;
  await using project = new Project({
    files: { "say.ts": stage, "p.yaml": "name: demo\nstages:\n  a: { uses: ./say.ts }\n" },
  });
  // A PATH entry that cannot be read is not a folder of programs: a name that is too long stands in for such a folder.
  const PATH = `/${"x".repeat(300)}:${Deno.env.get("PATH")}`;
  const places = [{ TZ: "Asia/Tokyo", LC_ALL: "de_DE.UTF-8", PATH }, {
    TZ: "America/Lima",
    LC_ALL: "",
    LANG: "tr_TR.UTF-8",
  }];
  const texts: string[] = [];
  for (const env of places) {
    const { code, stdout, stderr } = await project.cli(["run", "p.yaml", "--force", "a"], { env });
    assertEquals(code, 0, stderr);
    assert(!stdout.includes("not deterministic"), stdout);
    texts.push(project.read("outputs/demo/a/text.txt"));
  }
  // The same as in UTC and in English, where words sort by letters first.
  assertEquals(texts[0], "2026-07-01T12:00:00.000Z|7/1/2026, 12:00:00 PM|1,234.5|aäiz");
  assertEquals(texts[1], texts[0]);
});

/** The expected message for each way to misbehave, or undefined if the stage succeeds. */
const MISBEHAVIOURS: Readonly<Record<string, RegExp | undefined>> = {
  ok: undefined,
  refuse: /^the moon is full$/,
  throw: /TypeError: no such tooth\n\s+at .*misbehave\.ts/,
  "reject-unawaited": /nobody waits for me/,
  exit: /ended without finishing/,
  nothing: /without writing its output "out"/,
  symlink: /^the stage may not make links/,
  shout: undefined,
  "shout-one-line": undefined,
  hang: /longer than its timeout of 2 s/,
  traverse: /relative path .*without \. or \.\./,
  absolute: /relative path .*without \. or \.\./,
  forge: /^forged$/,
};

Deno.test("run fails only the stages that end badly and says how when it keeps going", async () => {
  await using project = new Project({ stages: ["misbehave"] });
  const stages = Object.keys(MISBEHAVIOURS).map((mode) =>
    `  ${mode}: { uses: ./misbehave.ts, with: { mode: ${mode} }, retries: 2${
      mode === "hang" ? ", timeout: 2s" : ""
    } }\n`
  );
  const after = `  after: { uses: ./misbehave.ts, with: { mode: ok, salt: 1 }, inputs: { from: throw } }\n`;
  project.write("p.yaml", `name: demo\nstages:\n${stages.join("")}${after}`);
  const { outcome } = await runAndCheckPlan(project, ["p.yaml"], { runOnly: ["--keep-going"], code: 1 });
  const ends = finished(outcome.events);
  for (const [mode, message] of Object.entries(MISBEHAVIOURS)) {
    assertEquals(ends[mode].state, message === undefined ? "ran" : "failed", `${mode}: ${ends[mode].message}`);
    if (message !== undefined) assertMatch(ends[mode].message, message, mode);
  }
  assertEquals(ends["refuse"].fix, "wait a week");
  assertEquals(ends["exit"].fix, "remove Deno.exit from it");
  // This stage saves no state from which it could continue.
  assertEquals(ends["hang"].fix, "raise timeout of hang");
  assertEquals(ends["after"], undefined);
  // Retries are for processes that are lost; a stage that ended by its own fault, or was stopped, would end the same
  // way again.
  const started = outcome.events.filter(({ type }) => type === "stage-started").map(({ id }) => id);
  assertEquals(started.sort(), Object.keys(MISBEHAVIOURS).sort());
  const last = outcome.events.at(-1);
  assertEquals([last.type, last.status, last.counts.blocked], ["run-finished", "failed", 1]);

  const good = Object.keys(MISBEHAVIOURS).filter((mode) => MISBEHAVIOURS[mode] === undefined).sort();
  assertEquals(project.shown(), good);
  assertEquals(project.list(".noiseline/tmp"), []);
  const log = project.read(`.noiseline/runs/${last.runId}/logs/shout.log`);
  assertEquals(log.length, 4 << 20);
  assert(!project.exists("escaped.txt"));

  // Failures are not remembered: stages that failed run again, stages that succeeded do not.
  const { stages: plan } = (await project.cli(["plan", "p.yaml", "--json"])).json;
  const states = Object.fromEntries(plan.map(({ id, state }: Json) => [id, state]));
  for (const mode of Object.keys(MISBEHAVIOURS)) assertEquals(states[mode], good.includes(mode) ? "cached" : "run");
});

Deno.test("run starts nothing more and tells where the log is when a stage fails", async () => {
  await using project = new Project({ stages: ["misbehave"] });
  project.write(
    "p.yaml",
    `name: demo
stages:
  bad: { uses: ./misbehave.ts, with: { mode: throw } }
  slow: { uses: ./misbehave.ts, with: { mode: ok } }
  never: { uses: ./misbehave.ts, with: { mode: ok, salt: 1 }, inputs: { from: slow } }
`,
  );
  const { code, stdout, stderr } = await project.cli(["run", "p.yaml", "--jobs", "1"]);
  assertEquals(code, 1);
  assertMatch(stdout, /^bad: failed after /m);
  assertMatch(stdout, /demo: failed in .* \(1 failed, 2 blocked\)/);
  assertStringIncludes(stderr, "no such tooth");
  assertMatch(stderr, /log: \.noiseline\/runs\/.*\/logs\/bad\.log/);
  assert(!project.exists("outputs/demo/slow"));
});

Deno.test("run reads files that stand within params, by content, wherever the schema has them", async () => {
  await using project = new Project();
  const stage = (params: string) =>
    `import { defineStage, execution, extent, externalFile } from "noiseline";
import { z } from "zod";
export default defineStage({
  summary: "Joins files",
  params: z.strictObject({ ${params} }),
  inputs: {},
  outputs: { out: { type: "files", description: "All of them" } },
  async run({ params, outputs }) {
    const paths = [params.one, ...params.list, ...Object.values(params.named).map(({ path }) => path)];
    const texts = await Promise.all(paths.map((path) => path === undefined ? "none" : Deno.readTextFile(path)));
    await outputs.out.write("text.txt", texts.join(" "));
  },
});
`;
  const file = "externalFile(z.string())";
  project.write(
    "join.ts",
    stage(
      `one: ${file}.optional(), list: z.array(${file}).default([]), named: z.record(z.string(), z.strictObject({ path: ${file} })).default({})`,
    ),
  );
  project.write(
    "p.yaml",
    "name: demo\nstages:\n  join: { uses: ./join.ts, with: { list: [a.txt, b.txt], named: { x: { path: c.txt } } } }\n",
  );
  for (const name of ["a", "b", "c"]) project.write(`${name}.txt`, name);
  const run = async () => finished((await project.cli(["run", "p.yaml", "--json"])).events)["join"];
  assertEquals([(await run())?.state, project.read("outputs/demo/join/text.txt")], ["ran", "none a b c"]);
  // Another path with the same content is the same input; other content is not.
  Deno.renameSync(project.path("b.txt"), project.path("d.txt"));
  project.write("p.yaml", project.read("p.yaml").replace("b.txt", "d.txt"));
  const { stages } = (await project.cli(["plan", "p.yaml", "--json"])).json;
  assertEquals(stages[0].state, "cached");
  project.write("c.txt", "C");
  assertEquals([(await run())?.state, project.read("outputs/demo/join/text.txt")], ["ran", "none a b C"]);
  project.remove("d.txt");
  const gone = await project.cli(["run", "p.yaml", "--json"]);
  assertEquals([gone.code, gone.json.diagnostics.length], [2, 1]);
  assertEquals(
    gone.json.diagnostics[0].message,
    'stage "join": cannot read list[1]: no such file or folder',
  );
  assertEquals(gone.json.diagnostics[0].got, project.path("d.txt"));
  assertEquals(gone.json.diagnostics[0].line, 3);

  project.write(
    "join.ts",
    stage(`one: z.array(extent(z.int())), list: z.array(z.string()), named: execution(${file})`),
  );
  const { code, json } = await project.cli(["run", "p.yaml", "--json"]);
  assertEquals([code, json.diagnostics[0].code], [2, "kind-broken"]);
  assertStringIncludes(json.diagnostics[0].message, 'param "one": extent(…) counts on a whole param');
  assertStringIncludes(json.diagnostics[0].message, 'param "named": it cannot be external and execution');
});

Deno.test("run names a log that is there when a stage fails, with what the stage said and why it ended", async () => {
  await using project = new Project();
  const stage = (body: string) =>
    `import { defineStage } from "noiseline";
import { z } from "zod";
export default defineStage({
  summary: "Fails",
  params: z.strictObject({}),
  inputs: {},
  outputs: { out: { type: "files", description: "Nothing" } },
  async run() {
    ${body}
    return { status: "failed", message: "no mood" };
  },
});
`;
  project.write("silent.ts", stage(""));
  project.write("loud.ts", stage('console.log("hello");'));
  project.write("p.yaml", "name: demo\nstages: { silent: { uses: ./silent.ts }, loud: { uses: ./loud.ts } }\n");
  const { code, events } = await project.cli(["run", "p.yaml", "--keep-going", "--json"]);
  assertEquals(code, 1, JSON.stringify(events));
  const ends = finished(events);
  assertEquals(Deno.readTextFileSync(ends["silent"].log), "failed: no mood\n");
  assertEquals(Deno.readTextFileSync(ends["loud"].log), "hello\nfailed: no mood\n");
});

Deno.test("what a stage leaves to fail at its end fails it, and names of files that lead out are refused by name", async () => {
  const stage = (body: string) =>
    `import { defineStage } from "noiseline";
import { z } from "zod";

export default defineStage({
  summary: "Ends badly",
  params: z.strictObject({}),
  inputs: {},
  outputs: { out: { type: "files", description: "A text" } },
  async run({ outputs }) {
    await outputs.out.write("text.txt", "done");
    ${body}
  },
});
`;
  const cases: Record<string, readonly [body: string, message: RegExp]> = {
    rejected: ['Promise.reject(new Error("left over"));', /left over/],
    timer: ['setTimeout(() => { throw new Error("left over"); }, 0);', /left over/],
    forgotten: [
      '(async () => { await outputs.out.write("b.txt", "b"); throw new Error("left over"); })();',
      /left over/,
    ],
    // Its rejection comes at the end of a turn in which timers are due.
    late: [
      `await outputs.out.write("c.txt", "c");
    Promise.reject(new Error("left over"));
    let turn = Promise.resolve();
    for (let i = 0; i < 200; i++) turn = turn.then(() => { for (const end = Date.now() + 1; Date.now() < end;); });`,
      /left over/,
    ],
    outside: ['await outputs.out.write("../b.txt", "b");', /Output file "\.\.\/b\.txt": wanted a relative path/],
  };
  await using project = new Project({
    files: Object.fromEntries(Object.entries(cases).map(([name, [body]]) => [`${name}.ts`, stage(body)])),
  });
  const stages = Object.keys(cases).map((name) => `  ${name}: { uses: ./${name}.ts }\n`).join("");
  project.write("p.yaml", `name: demo\nstages:\n${stages}`);
  const { code, events } = await project.cli(["run", "p.yaml", "--keep-going", "--json"]);
  assertEquals(code, 1);
  for (const [name, [, message]] of Object.entries(cases)) {
    const end = events.find(({ type, id }) => type === "stage-finished" && id === name);
    assertEquals(end?.state, "failed", name);
    assertMatch(end.message, message, name);
  }
});
