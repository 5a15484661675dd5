import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { dirname } from "node:path";
import type { Json } from "../../support/cli_process.ts";
import { hasProgram, onlyIf } from "../../support/proc.ts";
import { Project } from "../../support/project.ts";
import { answerOnTerminal } from "../../support/terminal.ts";

const READER = `import { defineStage, externalFile } from "noiseline";
import { z } from "zod";
export default defineStage({
  summary: "Reads a file and a variable",
  params: z.strictObject({ file: externalFile(z.string().optional()) }),
  inputs: {},
  outputs: { out: { type: "files", description: "What it saw" } },
  permissions: { env: ["NOISELINE_TEST_WORD"] },
  async run({ params, outputs }) {
    const text = params.file === undefined ? "" : await Deno.readTextFile(params.file);
    await outputs.out.write("out.txt", text + Deno.env.get("NOISELINE_TEST_WORD"));
  },
});
`;
const STAGE = "name: demo\nstages:\n  a: { uses: ./stage.ts }\n";
const WORD = { NOISELINE_TEST_WORD: "seen" };

Deno.test("what a custom stage asks for is listed, refused with the flag that grants it, and remembered", async () => {
  await using project = new Project({ files: { "stage.ts": READER, "p.yaml": STAGE } });
  const flag = "--grant a:env=NOISELINE_TEST_WORD";

  for (const command of ["validate", "plan"]) {
    const { code, stdout } = await project.cli([command, "p.yaml"]);
    assertEquals(code, 0);
    assertStringIncludes(stdout, flag, command);
  }
  const listed = await project.cli(["validate", "p.yaml", "--json"]);
  const right = "env=NOISELINE_TEST_WORD";
  assertEquals(listed.json.rights, [{ stage: "a", file: "./stage.ts", rights: [right], missing: [right] }]);
  assertMatch((await project.cli(["stages", "./stage.ts"])).stdout, /asks for\n\s+env\s+NOISELINE_TEST_WORD/);

  const refused = await project.cli(["run", "p.yaml"], { env: WORD });
  assertEquals(refused.code, 2);
  assertStringIncludes(refused.stderr, `fix:    look at the code of ./stage.ts; if you trust it: ${flag}\n`);
  assertStringIncludes(refused.stderr, "1 error; nothing was run");
  assert(!project.exists("outputs"));
  assert(!project.exists(".config"));

  const granted = await project.cli(["run", "p.yaml", ...flag.split(" ")], { env: WORD });
  assertEquals(granted.code, 0, granted.stderr);
  assertEquals(project.read("outputs/demo/a/out.txt"), "seen");
  // After an edit of the stage, nothing has to be granted again.
  project.write("stage.ts", `${READER}// edited\n`);
  assertEquals((await project.cli(["run", "p.yaml"], { env: WORD })).code, 0);
  // Additional rights have to be granted, and only they are named.
  project.write("stage.ts", READER.replace("permissions: {", 'permissions: { net: ["a.example"],'));
  const more = await project.cli(["run", "p.yaml"], { env: WORD });
  assertEquals(more.code, 2);
  assertStringIncludes(more.stderr, "--grant a:net=a.example\n");
  // A grant to one file does not apply to another.
  project.write("other.ts", `${READER}globalThis.other = true;\n`);
  project.write("p.yaml", STAGE.replace("./stage.ts", "./other.ts"));
  assertEquals((await project.cli(["run", "p.yaml"], { env: WORD })).code, 2);
});

Deno.test("stages lists the params of a custom stage and all that it may ask for", async () => {
  const stage = `import { defineStage, externalFile } from "noiseline";
import { z } from "zod";
export default defineStage({
  summary: "Asks for much",
  params: z.strictObject({
    words: z.array(externalFile(z.string())).describe("Files of words"),
    sigma: z.number().default(0.5).describe("How much"),
    own: z.string().transform((text) => text.length).optional(),
  }),
  inputs: {},
  outputs: { out: { type: "files", description: "" } },
  permissions: { native: ["onnxruntime-node"], net: ["a.example", "b.example:80"] },
  device: true,
  run: async () => {},
});
`;
  await using project = new Project({ files: { "stage.ts": stage } });
  const { stdout, stderr } = await project.cli(["stages", "./stage.ts"]);
  const lines = stdout.split("\n").map((line) => line.trim().replace(/\s{2,}/g, "  "));
  const found = (name: string) =>
    lines.slice(lines.indexOf(name) + 1).slice(0, lines.slice(lines.indexOf(name)).indexOf("") - 1);
  assertEquals(found("params").slice(0, 3), [
    "words  string[]  [external] Files of words",
    "sigma  number  = 0.5  How much",
    "own  string",
  ], stdout + stderr);
  assertEquals(found("params").slice(3).map((line) => line.split(" ")[0]), ["device", "threads"]);
  assertEquals(found("asks for"), [
    "native  onnxruntime-node",
    "net  a.example",
    "net  b.example:80",
    "device  native, unless the param device names wasm or webgpu",
    "read  what words names outside the pipeline's folder",
  ]);
  const { json } = await project.cli(["stages", "./stage.ts", "--json"]);
  assertEquals([json.device, json.params.length, json.rights.length], [true, 5, 3]);
});

Deno.test("a file outside the pipeline's folder has to be granted, also where a link hides it", async () => {
  await using project = new Project({ files: { "p/stage.ts": READER, "secret.txt": "secret ", "p/own.txt": "own " } });
  Deno.mkdirSync(project.path("p/folder"));
  Deno.symlinkSync(project.path("secret.txt"), project.path("p/link.txt"));
  Deno.symlinkSync("../../secret.txt", project.path("p/folder/deep.txt"));
  const files = { dots: "../secret.txt", absolute: project.path("secret.txt"), link: "link.txt", folder: "folder" };
  for (const [name, file] of Object.entries({ ...files, own: "own.txt" })) {
    project.write("p/p.yaml", STAGE.replace("stage.ts }", `stage.ts, with: { file: "${file}" } }`));
    const { json } = await project.cli(["validate", "p/p.yaml", "--json"]);
    const secret = `read=${Deno.realPathSync(project.path("secret.txt"))}`;
    assertEquals(json.rights[0].missing, ["env=NOISELINE_TEST_WORD", ...name === "own" ? [] : [secret]], name);
  }
});

Deno.test("a module from beyond the project has to be granted, since importing it reads it", async () => {
  await using outside = new Project({ files: { "secret.json": '{ "word": 1 }' } });
  const secret = Deno.realPathSync(outside.path("secret.json"));
  const importing = (path: string) =>
    READER.replace("permissions:", "").replace('{ env: ["NOISELINE_TEST_WORD"] },', "") +
    `import secret from ${JSON.stringify(path)} with { type: "json" };\nconsole.log(secret);\n`;
  await using project = new Project({ files: { "own.json": "1" } });
  Deno.symlinkSync(secret, project.path("link.json"));
  project.write("p.yaml", STAGE);
  const validate = async (path: string) => {
    project.write("stage.ts", importing(path));
    return (await project.cli(["validate", "p.yaml", "--json"])).json;
  };
  const missing = (json: Json) => json.rights.flatMap((one: Json) => one.missing);
  assertEquals(missing(await validate(`file://${secret}`)), [`read=${secret}`]);
  assertEquals(missing(await validate("./own.json")), []);
  // Deno itself loads no module through a link.
  assertEquals((await validate("./link.json")).diagnostics[0].code, "kind-broken");
});

/** Returns a stage that replaces part of the definition that the engine reads from the stage's process. */
const forging = (change: string) =>
  `${READER}
Object.defineProperty(Object.prototype, "toJSON", {
  configurable: true,
  value() {
    if (!Object.hasOwn(this, "fits")) return this;
    delete Object.prototype.toJSON;
    const answer = this;
    ${change}
    return answer;
  },
});
`;

/** The replacements, by the purpose of an attack. */
const FORGED: Readonly<Record<string, string>> = {
  "an output above its folder": 'answer.said.outputs["../../../../.."] = { type: "files", description: "" };',
  "a permission for all hosts": 'answer.said.permissions = { net: ["*"] };',
  "a permission for all variables of a prefix": 'answer.said.permissions = { env: ["SECRET*"] };',
  "no inputs": "answer.said.inputs = null;",
  "no definition": "answer.said = null;",
  "memory that is none": 'answer.said.resources = { memory: "zz" };',
  "an outcome without params": "answer.fits = [{ outcome: { ok: true, value: null }, facts: {} }];",
  "no outcomes": "answer.fits = [];",
};

Deno.test("a stage cannot write its own description past what the engine takes for one", async () => {
  const files = Object.values(FORGED).map((text, index) => [`s${index}.ts`, forging(text)] as const);
  await using project = new Project({ files: Object.fromEntries(files) });
  const stages = files.map(([file], index) => `  s${index}: { uses: ./${file} }\n`);
  project.write("p.yaml", `name: demo\nstages:\n${stages.join("")}`);
  const { code, json, stderr } = await project.cli(["validate", "p.yaml", "--json"]);
  assertEquals(code, 2, stderr);
  const codes = new Map(json.diagnostics.map(({ path, code }: Record<string, string>) => [path, code]));
  Object.keys(FORGED).forEach((what, index) => assertEquals(codes.get(`stages.s${index}.uses`), "kind-broken", what));
});

Deno.test("a name of several stages grants to each file what that file asks for", async () => {
  const other = READER.replace('env: ["NOISELINE_TEST_WORD"]', 'net: ["a.example"]');
  await using project = new Project({ files: { "one.ts": READER, "two.ts": other } });
  project.write("inner.yaml", "name: inner\nstages:\n  one: { uses: ./one.ts }\n  two: { uses: ./two.ts }\n");
  project.write("p.yaml", "name: demo\nstages:\n  sub: { uses: ./inner.yaml }\n");
  await project.cli(["run", "p.yaml", "--grant", "sub:env=NOISELINE_TEST_WORD,net=a.example"], { env: WORD });
  const { grants } = JSON.parse(project.read(".config/noiseline/grants.json"));
  assertEquals(grants.map(({ stage, rights }: Json) => [stage, rights]), [
    ["one.ts", ["env=NOISELINE_TEST_WORD"]],
    ["two.ts", ["net=a.example"]],
  ]);
});

Deno.test("a pipeline in TypeScript imports nothing from outside its project", async () => {
  await using outside = new Project({ files: { "secret.json": '{ "word": 1 }' } });
  const secret = Deno.realPathSync(outside.path("secret.json"));
  const text = `import secret from "file://${secret}" with { type: "json" };
export default { name: "demo", stages: { a: { uses: "schedule", with: { betas: "ldm/cosine", timesteps: secret.word } } } };
`;
  await using project = new Project({ files: { "p.ts": text } });
  const { code, stderr } = await project.cli(["validate", "p.ts"]);
  assertEquals(code, 2);
  assertStringIncludes(stderr, `it imports ${secret}, which is outside its project`);
});

Deno.test("a registry that a project names is told no variable of the user's", async () => {
  const seen: string[] = [];
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, ({ headers }) => {
    seen.push(headers.get("authorization") ?? "");
    return new Response("no", { status: 404 });
  });
  const host = `127.0.0.1:${server.addr.port}`;
  await using project = new Project({
    files: {
      ".npmrc": `registry=http://${host}/\n//${host}/:_authToken=\${NOISELINE_TEST_WORD}\n`,
      "stage.ts": `import "npm:noiseline-no-such-package@1.0.0";\n${READER}`,
      "p.yaml": STAGE,
    },
  });
  assertEquals((await project.cli(["validate", "p.yaml"], { env: WORD })).code, 2);
  assert(seen.length > 0, "the registry of the project was not asked");
  assertEquals(seen.filter((text) => text.includes("seen")), []);
});

/** Ways to declare more than one name in one name. */
const WIDE: Readonly<Record<string, string>> = {
  "all variables of a prefix": '{ env: ["SECRET*"] }',
  "two variables": '{ env: ["A,B"] }',
  "no variable, which is all": '{ env: [""] }',
  "a variable that is set for stages": '{ env: ["TZ"] }',
  "all hosts": '{ net: ["*"] }',
  "two hosts": '{ net: ["a.example,127.0.0.1"] }',
  "no host, which is all": '{ net: [""] }',
  "all hosts of a domain": '{ net: ["*.example.org"] }',
  "a block of addresses": '{ net: ["10.0.0.0/8"] }',
  "a library beside the pipeline": '{ native: ["./lib"] }',
  "a library above": '{ native: [".."] }',
  "a package that the toolkit does not have": '{ native: ["left-pad"] }',
};

Deno.test("permissions that are not one name each are refused before anything runs", async () => {
  const files = Object.values(WIDE).map((text, index) => [
    `s${index}.ts`,
    READER.replace('{ env: ["NOISELINE_TEST_WORD"] }', text),
  ]);
  await using project = new Project({ files: Object.fromEntries(files) });
  const stages = files.map(([file], index) => `  s${index}: { uses: ./${file} }\n`);
  project.write("p.yaml", `name: demo\nstages:\n${stages.join("")}`);
  const { code, json } = await project.cli(["validate", "p.yaml", "--json"]);
  assertEquals(code, 2);
  const codes = new Map(json.diagnostics.map(({ path, code }: Record<string, string>) => [path, code]));
  Object.keys(WIDE).forEach((what, index) => assertEquals(codes.get(`stages.s${index}.uses`), "kind-broken", what));
});

Deno.test("--grant says what is wrong with it", async () => {
  await using project = new Project({ files: { "stage.ts": READER, "p.yaml": STAGE } });
  const wrong = {
    "a": /it names no stage and rights/,
    "a:": /it names no stage and rights/,
    "b:native": /has no stage "b"/,
    "a:env=OTHER": /does not ask for env=OTHER[\s\S]*it asks for env=NOISELINE_TEST_WORD/,
    "a:native": /does not ask for native/,
    "a:native,net=b.example,env=NOISELINE_TEST_WORD": /does not ask for native, net=b\.example\n/,
  };
  for (const [text, said] of Object.entries(wrong)) {
    const { code, stderr } = await project.cli(["run", "p.yaml", "--grant", text]);
    assertEquals(code, 2, text);
    assertMatch(stderr, said);
  }
  assert(!project.exists(".config"));
});

/** Reasons why a run with a valid grant is refused, from first to last. */
const REFUSED: Readonly<Record<string, (project: Project) => string[]>> = {
  "another flag is wrong": () => ["--grant", "a:native"],
  "there is no such cluster": () => ["--on", "none"],
  "the store is a file": () => ["--store", "p.yaml"],
  "a stage cannot be planned": (project) => {
    project.write("p.yaml", STAGE.replace("stage.ts }", 'stage.ts, with: { file: "gone.txt" } }'));
    return [];
  },
  "another file is granted nothing": (project) => {
    project.write("other.ts", `${READER}globalThis.other = true;\n`);
    project.write("p.yaml", `${STAGE}  b: { uses: ./other.ts }\n`);
    return [];
  },
  "the way to use a cache is none": () => ["--cache-mode", "odd"],
  "the store cannot be made": (project) => {
    Deno.mkdirSync(project.path(".noiseline"));
    Deno.symlinkSync(project.path(), project.path(".noiseline/objects"));
    return [];
  },
};

Deno.test("a run that is refused, for whatever reason, leaves nothing on the list of grants", async () => {
  for (const [why, prepare] of Object.entries(REFUSED)) {
    await using project = new Project({ files: { "stage.ts": READER, "p.yaml": STAGE } });
    const run = ["run", "p.yaml", "--grant", "a:env=NOISELINE_TEST_WORD"];
    const { code, stderr } = await project.cli([...run, ...prepare(project)], { env: WORD });
    assertEquals(code, 2, `${why}: ${stderr}`);
    assert(!project.exists(".config"), `${why}: ${stderr}`);
  }
});

Deno.test("what stands in the place of the list of grants is named once, and left as it is", async () => {
  await using project = new Project({ files: { "stage.ts": READER, "p.yaml": STAGE } });
  const path = project.path(".config/noiseline/grants.json");
  Deno.mkdirSync(path, { recursive: true });
  const { code, stderr } = await project.cli(["run", "p.yaml", "--grant", "a:env=NOISELINE_TEST_WORD"], { env: WORD });
  assertEquals(code, 0, stderr);
  const said = `${path} is not a valid list of grants: it grants nothing`;
  assertEquals(stderr.split(said).length, 2, stderr);
  assertStringIncludes((await project.cli(["validate", "p.yaml"])).stderr, said);
  assertEquals(Array.from(Deno.readDirSync(dirname(path)), ({ name }) => name), ["grants.json"]);
});

Deno.test("a stage that comes to run because a result is damaged is asked for its rights too", async () => {
  await using project = new Project({ files: { "stage.ts": READER, "p.yaml": STAGE } });
  assertEquals((await project.cli(["run", "p.yaml", "--grant", "a:env=NOISELINE_TEST_WORD"], { env: WORD })).code, 0);
  project.remove(".config");
  project.remove("outputs");
  const [object] = project.files(".noiseline/objects");
  const path = project.path(".noiseline/objects", object!);
  Deno.chmodSync(path, 0o644);
  Deno.writeTextFileSync(path, "forg");
  const { code, stdout, stderr } = await project.cli(["run", "p.yaml"], { env: WORD });
  assertEquals(code, 1, stdout + stderr);
  assertMatch(stdout + stderr, /asks for rights that you have not granted: env=NOISELINE_TEST_WORD/);
});

Deno.test({
  ...onlyIf(
    hasProgram("script"),
    "script is not there to make a terminal",
    "on a terminal run asks, no is no, and Ctrl-C is a stop",
  ),
  async fn() {
    await using project = new Project({ files: { "stage.ts": READER, "p.yaml": STAGE } });
    const answer = (text: string) => answerOnTerminal(project, ["run", "p.yaml"], { answer: text, env: WORD });
    for (const [text, wanted] of [["n\n", 2], ["\n", 2], ["\u0003", 130]] as const) {
      const { code, said } = await answer(text);
      assertEquals(code, wanted, said);
      assertStringIncludes(said, "Do you trust their code with these rights?");
    }
    const { code, said } = await answer("y\n");
    assertEquals(code, 0, said);
    assertEquals(project.read("outputs/demo/a/out.txt"), "seen");
    assert(project.exists(".config/noiseline/grants.json"));
  },
});
