import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { formatDiagnostic } from "../../../../../engine/diagnostic/format.ts";
import { definitionOf } from "../../support/own_kinds.ts";
import { load, loadGood } from "../../support/load.ts";
import { makeTempFolder } from "../../support/temp.ts";

const FILES: Readonly<Record<string, string>> = {
  "net.ts": definitionOf("network", "depth: z.int().min(1).default(6), width: z.int().default(8)"),
  "sampler.ts": definitionOf("sampler"),
  "path.ts": definitionOf("path", "power: z.number().default(1)"),
};

async function makePlace(files: Readonly<Record<string, string>> = {}) {
  const folder = await makeTempFolder();
  for (const [name, text] of Object.entries({ ...FILES, ...files })) {
    await Deno.mkdir(join(folder.path, name, ".."), { recursive: true });
    await Deno.writeTextFile(join(folder.path, name), text);
  }
  return folder;
}

const learning = (model: string, more = "") =>
  `name: p\nstages:\n  a: { uses: learn, with: { model: ${model}${more} } }\n`;

/** Returns the errors of a pipeline that must not load: path, message, got and fix, one line each. */
async function said(folder: string, yaml: string, overrides: readonly string[] = []): Promise<string[]> {
  const loaded = await load(folder, yaml, overrides);
  if (loaded.ok) throw new Error(`It loads: ${yaml}`);
  return loaded.diagnostics.map(({ path, message, got, fix }) => [path, message, got, fix].filter(Boolean).join(" | "));
}

Deno.test("params of a definition are what its own schema gives out, and the rest what the kind's does", async () => {
  await using folder = await makePlace();
  const { stages } = await loadGood(folder.path, learning("{ uses: ./net.ts, depth: 3 }"));
  const { params, kind, facts } = stages.get("a")!;
  assertEquals(params["model"], { uses: "./net.ts", depth: 3, width: 8 });
  assertEquals([params["objective"], params["steps"]], ["eps", 2]);
  assertEquals(facts, { model: {} });
  assertEquals(kind.userCode.map(({ param, sort, uses }) => [param, sort, uses]), [["model", "network", "./net.ts"]]);
  assertEquals(kind.version, `learn/3 model:${kind.userCode[0]!.digest}`);
});

Deno.test("a definition may have all params of a stage, with the toolkit's own beside them and facts for its checks", async () => {
  await using folder = await makePlace({
    "exploding.ts": definitionOf("path", "", "", "signal: () => 1, noise: (u) => 80 * u"),
  });
  const at = (uses: string) => `name: p\nstages:\n  a: { uses: track, with: { uses: ./${uses}.ts } }\n`;
  const stage = (await loadGood(folder.path, at("path"))).stages.get("a")!;
  assertEquals(stage.params, { uses: "./path.ts", power: 1, timesteps: 1250 });
  assertEquals([stage.kind.runs, stage.facts?.[""]?.["timesteps"]], [undefined, 1250]);
  assertEquals(await said(folder.path, at("exploding")), [
    'stages.a.with.uses | stage "a": it does not preserve the variance | no',
  ]);
});

Deno.test("what stands in a wrong place is told where it belongs, and where the value comes from", async () => {
  await using folder = await makePlace({ "none.ts": "export const net = 1;\n" });
  const asStage = "name: p\nstages:\n  a: { uses: ./net.ts }\n";
  assertEquals(await said(folder.path, asStage), [
    "stages.a.uses | ./net.ts is a definition of a network; uses takes a stage | " +
    "name a file that exports defineStage({ … }), or name this one as learn.model.uses",
  ]);
  const loaded = await load(folder.path, learning("{ channels: 8 }"), ["a.model.uses=./none.ts"]);
  assertEquals(loaded.ok ? [] : loaded.diagnostics.map(({ message, origin }) => [message, origin]), [
    ["cannot use ./none.ts: it has no default export", ["--set a.model.uses=./none.ts"]],
  ]);
});

Deno.test("stages whose code alone was edited are alike, since that tells most of how long they take", async () => {
  await using folder = await makePlace();
  const like = async (model = "{ uses: ./net.ts }") =>
    (await loadGood(folder.path, learning(model))).stages.get("a")!.likeness;
  const before = await like();
  await Deno.writeTextFile(join(folder.path, "net.ts"), `${FILES["net.ts"]}globalThis.more = 1;\n`);
  assertEquals(await like(), before);
  assertEquals(new Set([before, await like("{ uses: ./net.ts, depth: 7 }"), await like("{ channels: 4 }")]).size, 3);
});

Deno.test("a definition may be named by var, --set, matrix and an inner pipeline", async () => {
  await using folder = await makePlace({
    "inner.yaml":
      'name: inner\nvars: { depth: 1 }\nstages:\n  a: { uses: learn, with: { model: { uses: ./net.ts, depth: "${vars.depth}" } } }\n',
  });
  const yaml = `name: p
vars: { net: ./net.ts }
stages:
  a: { uses: learn, with: { model: { uses: "\${vars.net}" } } }
  b: { uses: learn, matrix: { depth: [1, 2] }, with: { model: { uses: ./net.ts, depth: "\${matrix.depth}" } } }
  c: { uses: ./inner.yaml, with: { depth: 5 } }
`;
  const { stages } = await loadGood(folder.path, yaml, ["a.model.depth=4"]);
  const depths = [...stages.values()].map(({ id, params }) => [id, (params["model"] as { depth: number }).depth]);
  assertEquals(Object.fromEntries(depths), { a: 4, "b~depth=1": 1, "b~depth=2": 2, "c/a": 5 });
  assertEquals(new Set([...stages.values()].map(({ kind }) => kind.version)).size, 1);
});

Deno.test("what is wrong with definitions is said all at once, at its place", async () => {
  await using folder = await makePlace({
    "none.ts": "export const a = 1;\n",
    "throws.ts": `\nthrow new Error("boom");\nexport default 1;\n`,
    "loose.ts": definitionOf("network").replace("strictObject", "object"),
    "taken.ts": definitionOf("path", "timesteps: z.int()"),
    "usurped.ts": definitionOf("network", "uses: z.string().default('a')"),
    "named.ts": definitionOf("network", "name: z.string().default('a')"),
    "marked.ts": definitionOf("network", "file: externalFile(z.string())", 'import { externalFile } from "noiseline";'),
  });
  const cases: Readonly<Record<string, string>> = {
    sort: "{ uses: ./sampler.ts }",
    none: "{ uses: ./none.ts }",
    throws: "{ uses: ./throws.ts }",
    loose: "{ uses: ./loose.ts }",
    marked: "{ uses: ./marked.ts }",
    usurped: "{ uses: ./usurped.ts }",
    named: "{ uses: ./named.ts }",
    absent: "{ uses: ./absent.ts }",
    builtin: "{ uses: unet, channels: 32 }",
    key: "{ uses: ./net.ts, dpeth: 3 }",
    value: "{ uses: ./net.ts, depth: 0 }",
    nan: "{ uses: ./net.ts, width: .nan }",
  };
  const stages = Object.entries(cases).map(([id, model]) =>
    `  ${id}: { uses: learn, with: { model: ${model}, stpes: 1 } }\n`
  );
  const all = await said(
    folder.path,
    `name: p\nstages:\n  taken: { uses: track, with: { uses: ./taken.ts } }\n${stages.join("")}`,
  );
  const of = (id: string) => all.filter((one) => one.startsWith(`stages.${id}.`) && !one.includes("stpes"));
  const forms =
    "write export default defineStage({ … }), or defineNetwork, defineObjective, definePath, defineSampler, " +
    "defineAugmentation, defineAutoencoder";
  assertEquals(Object.fromEntries([...Object.keys(cases), "taken"].map((id) => [id, of(id)])), {
    sort: [
      "stages.sort.with.model.uses | ./sampler.ts is a definition of a sampler; model takes a network | " +
      "name a file that exports defineNetwork({ … })",
    ],
    none: [
      "stages.none.with.model.uses | cannot use ./none.ts: it has no default export | " + forms,
    ],
    throws: [
      "stages.throws.with.model.uses | cannot use ./throws.ts: throws.ts:2:7: Error: boom | " +
      "correct the file; it must load without side effects",
    ],
    loose: [
      "stages.loose.with.model.uses | cannot use ./loose.ts: its params are not a strict Zod object | " +
      "write params: z.strictObject({ … })",
    ],
    marked: [
      'stages.marked.with.model.uses | cannot use ./marked.ts: param "file" has a role, as only params of stages do | ' +
      "write it without externalFile(…) and the like",
    ],
    ...Object.fromEntries([["usurped", "uses"], ["named", "name"]].map(([file, param]) => [
      file,
      [
        `stages.${file}.with.model.uses | cannot use ./${file}.ts: its params have "${param}", ` +
        "which means something else there | rename that param",
      ],
    ])),
    absent: [
      "stages.absent.with.model.uses | cannot use ./absent.ts: no such file | " +
      "correct the path; it is relative to the pipeline file",
    ],
    builtin: [
      'stages.builtin.with.model.uses | "unet" is not the file of a network | ' +
      "name one, such as ./network.ts; what comes with noiseline is written without uses: see `stages learn.model`",
    ],
    key: ['stages.key.with.model.dpeth | unknown key "dpeth" in stages.key.with.model | did you mean "depth"?'],
    value: [
      "stages.value.with.model.depth | stages.value.with.model.depth is not valid | 0 | raise depth to at least 1",
    ],
    nan: [
      "stages.nan.with.model.width | stages.nan.with.model.width is not valid | NaN | write width: <finite number>",
    ],
    taken: [
      'stages.taken.with.uses | cannot use ./taken.ts: its params have "timesteps", which means something else there | ' +
      "rename that param",
    ],
  });
  // The other params are checked too.
  assertEquals(all.filter((one) => one.includes("stpes")).length, Object.keys(cases).length);
});

Deno.test("the error of a definition points into the file", async () => {
  await using folder = await makePlace();
  const loaded = await load(folder.path, learning("{ uses: ./net.ts, depth: 0 }"));
  assertStringIncludes(loaded.ok ? "" : formatDiagnostic(loaded.diagnostics[0]!), "p.yaml:3:61");
});

const STAGE = `import { defineStage } from "noiseline";
import { z } from "zod";
import { one } from "../lib/shared.ts";
export default defineStage({
  summary: String(one),
  params: z.strictObject({}),
  inputs: { learned: { type: "checkpoint", description: "" } },
  outputs: { out: { type: "files", description: "" } },
  run: async () => {},
});
`;

Deno.test("a stage in the place of a definition is refused, and the other way round", async () => {
  await using folder = await makePlace({ "a/stage.ts": STAGE.replace(/^import .*shared.*$/m, "const one = 1;") });
  const yaml =
    "name: p\nstages:\n  a: { uses: learn, with: { model: { uses: ./a/stage.ts } } }\n  b: { uses: ./net.ts }\n";
  assertEquals(await said(folder.path, yaml), [
    "stages.a.with.model.uses | ./a/stage.ts is a definition of a stage; model takes a network | " +
    "name a file that exports defineNetwork({ … })",
    "stages.b.uses | ./net.ts is a definition of a network; uses takes a stage | " +
    "name a file that exports defineStage({ … }), or name this one as learn.model.uses",
  ]);
});

Deno.test("the name of a file that looks like an expression is not taken for one", async () => {
  await using folder = await makePlace();
  const [problem] = await said(folder.path, learning('{ uses: "./$${vars.x}.ts" }'));
  assertStringIncludes(problem!, "cannot use ./${vars.x}.ts: no such file");
});

Deno.test("code of which one name would mean two things does not come into one process", async () => {
  await using folder = await makePlace({
    "a/deno.json": '{ "imports": { "thing": "../lib/one.ts" } }',
    "b/deno.json": '{ "imports": { "thing": "../lib/two.ts" } }',
    "lib/one.ts": "export const one = 1;\n",
    "lib/two.ts": "export const one = 2;\n",
    "lib/shared.ts": 'export { one } from "thing";\n',
    "a/stage.ts": STAGE,
    "b/net.ts": definitionOf("network", "", 'export { one } from "../lib/shared.ts";'),
    "a/objective.ts": definitionOf("objective", "", 'export { one } from "../lib/shared.ts";'),
  });
  const network = "model: { uses: ./b/net.ts }";
  const both = `name: p\nstages:\n  a: { uses: learn, with: { ${network}, objective: { uses: ./a/objective.ts } } }\n`;
  const [problem, ...more] = await said(folder.path, both);
  assertStringIncludes(problem!, "stages.a.uses | thing in shared.ts is file:///");
  assertEquals(more, []);
  // A custom stage has a separate process.
  const alone = `  b: { uses: ./a/stage.ts, inputs: { learned: a } }\n`;
  await loadGood(folder.path, `name: p\nstages:\n  a: { uses: learn, with: { ${network} } }\n${alone}`);
});

Deno.test("a definition whose answer has no end to speak of is refused like any other", async () => {
  await using folder = await makePlace({
    "net.ts": definitionOf("network", 'text: z.string().default(() => "a".repeat(65 << 20))'),
  });
  assertEquals(await said(folder.path, learning("{ uses: ./net.ts }")), [
    "stages.a.with.model.uses | cannot use ./net.ts: it gave an invalid answer | " +
    "correct the file; it must load without side effects",
  ]);
});

/** Returns a definition whose schema turns any params into `value`, which is code. */
const forging = (value: string) =>
  definitionOf("network", "", "")
    .replace("params: z.strictObject({  })", `params: forged`)
    .replace(
      "export default",
      `const forged = z.strictObject({});
(forged as any).safeParse = () => ({ success: true, data: ${value} });
export default`,
    );

Deno.test("a file decides what stands in a place, whatever its code answers", async () => {
  await using folder = await makePlace({ "forged.ts": forging('{ uses: 5, channels: 1e9, "constructor": 1 }') });
  const { stages } = await loadGood(folder.path, learning("{ uses: ./forged.ts }"));
  const { params, kind } = stages.get("a")!;
  assertEquals(params["model"], { uses: "./forged.ts", channels: 1e9, constructor: 1 });
  assertEquals(kind.userCode.map(({ uses }) => uses), ["./forged.ts"]);
});

Deno.test("answers that are no plain data, or not short, and prints that look like frames, come to one line", async () => {
  const nested = "JSON.parse('['.repeat(DEPTH) + ']'.repeat(DEPTH))";
  const files: Readonly<Record<string, string>> = {
    deep: forging(`{ a: ${nested.replaceAll("DEPTH", "200")} }`),
    surrogate: forging("{ a: 1 }").replace("const forged", 'Object.prototype.toJSON = () => "\\ud800";\nconst forged'),
    silent: definitionOf("network", "", "(Object.prototype as any).toJSON = () => undefined;"),
    lines: definitionOf(
      "path",
      "",
      "",
      'signal: () => { throw new Error("a\\nFORGED: ok" + "b".repeat(5000)); }, noise: () => 1',
    ),
    issue: definitionOf("network", 'text: z.string({ error: () => "a\\nFORGED: ok" + "b".repeat(5000) })'),
    host: definitionOf("network", "", 'console.error("    at x (file://evil/x:1:2)"); throw new Error("boom");'),
    frames: definitionOf(
      "network",
      "",
      'console.error("    at " + "file:".repeat(200_000)); console.error("    at " + "file:///a:".repeat(90_000));',
    ),
  };
  await using folder = await makePlace(
    Object.fromEntries(Object.entries(files).map(([id, text]) => [`${id}.ts`, text])),
  );
  const stages = Object.keys(files).map((id) =>
    `  ${id}: { uses: ${id === "lines" ? "track, with: { uses" : "learn, with: { model: { uses"}: ./${id}.ts } }${
      id === "lines" ? "" : " }"
    }\n`
  );
  const all = await said(folder.path, `name: p\nstages:\n${stages.join("")}`);
  const of = (id: string) => all.filter((one) => one.startsWith(`stages.${id}.`));
  const invalid = (id: string) => `stages.${id}.with.model.uses | cannot use ./${id}.ts: it gave an invalid answer`;
  assertEquals(of("deep"), [`${invalid("deep")}: the values are nested more than 100 deep | nest less`]);
  assertEquals(of("silent").map((one) => one.split(" | ").slice(0, 2).join(" | ")), [invalid("silent")]);
  assertEquals(of("surrogate").map((one) => one.split(" | ").slice(0, 2).join(" | ")), [invalid("surrogate")]);
  assertEquals(of("host").map((one) => one.split(" | ")[1]), ["cannot use ./host.ts: host.ts:3:54: Error: boom"]);
  assertEquals(of("frames"), []);
  for (const id of ["lines", "issue"]) {
    assertEquals(of(id).length, 1);
    assert(of(id)[0]!.length < 1_500 && !of(id)[0]!.includes("\n"), of(id)[0]);
  }
});
