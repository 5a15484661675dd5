import { assert, assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { basename, dirname, join } from "node:path";
import { z } from "zod";
import { runPipeline } from "../../../../engine/run/run_pipeline.ts";
import { loadPipeline } from "../../../../engine/pipeline/load/load_pipeline.ts";
import { Planner } from "../../../../engine/plan/planner.ts";
import { openStore } from "../../../../engine/store/store.ts";
import { execution, externalFile, legacy } from "../../../../schemas/roles.ts";
import { type BuiltinKind, defineKind } from "../../../../engine/contract/stage.ts";
import { setVariable } from "../../../support/own_process.ts";
import { grantsIn } from "./grants.ts";
import { applyEdit, type Edit, MEANINGLESS } from "./edits.ts";
import { makeTempFolder } from "./temp.ts";
import { dealKind, mixKind, sourceKind, walkKind } from "./tiny_kinds.ts";
import { evaluate, Memory, toYaml, type World } from "./world.ts";

/** Returns the kinds as one release of a toolkit would have them. */
function kindsOf({ defaultText, extraDefault }: World): Record<string, BuiltinKind> {
  const { kind, summary, version, runs = "inline", entry, inputs, outputs } = sourceKind;
  const source = defineKind({
    ...{ kind, summary, version, runs, entry, inputs, outputs },
    params: z.strictObject({
      text: z.string().default(defaultText),
      note: execution(z.string().default("")),
      file: externalFile(z.string().optional()),
      ...(extraDefault === undefined ? {} : { extra: legacy(z.int().default(extraDefault), 3) }),
    }),
  });
  return { source, mix: mixKind, walk: walkKind, deal: dealKind } as unknown as Record<string, BuiltinKind>;
}

/** No other test reads this variable. */
const VARIABLE = "NOISELINE_TEST_WORLD";

/** Returns a module of one line, in a layout that does not change what it does. */
function laidOut(name: string, value: string, layout: number): string {
  const quoted = [`"${value}"`, `'${value}'`, `("${value}")`, `"${value}" as string`][layout % 4];
  const before = ["", "\n\n", "// a remark\n", "/* and\n another */ "][(layout >> 2) % 4];
  return `${before}export const ${name}${layout % 3 === 1 ? ": string" : ""} = ${quoted}${
    layout % 5 === 4 ? "" : ";"
  }\n`;
}

function codeOf({ code, layout }: World): Record<string, string> {
  const folder = dirname(layout.place);
  // Both modules record when they were evaluated.
  const imports = [`import { helper } from "./${code.helperName}.ts";`, `import "./effect.ts";`];
  const type = ["Unused", "string", '"m" | "n"'][layout.types % 3];
  const files = {
    [basename(layout.place)]: `import { defineStage } from "noiseline";
import { z } from "zod";
import type { Unused } from "./types.ts";
import data from "./data.json" with { type: "json" };
${(code.effectFirst ? imports.toReversed() : imports).join("\n")}
${"\n".repeat(layout.main % 3)}${layout.types % 2 === 0 ? "" : "interface Mine { readonly one: Unused }\n"}
const main${layout.main % 2 === 0 ? `: ${type}` : ""} = "${code.main}";

export default defineStage({
  summary: "As tiny_run.ts, with its code in the result",
  params: z.strictObject({ text: z.string().default("a") }),
  inputs: { from: { type: "files", description: "", list: true, optional: true } },
  outputs: { out: { type: "files", description: "" } },
  ${code.seeded ? "seeded: true," : ""}
  ${code.reads ? `permissions: { env: ["${VARIABLE}"] },` : ""}
  async run({ params: { text }, inputs, outputs, seed }) {
    const { late } = await import("./late.ts");
    const texts = await Promise.all((inputs.from ?? []).map((one) => one.readText("value.txt")));
    let value = seed${layout.main % 5 === 4 ? "; // a remark" : ";"}
    for (const char of texts.join("|") + text) value = (value * 31 + char.charCodeAt(0)) % ${
      code.spelling === 0 ? "1_000_003" : "1000003"
    };
    const variable = ${code.reads ? `Deno.env.get("${VARIABLE}") ?? ""` : '""'};
    const order = globalThis.order[0] === "effect" ? "e" : "";
    const said = order + main + helper + data.value + late + variable;
    await outputs.out.write("value.txt", said + (text.startsWith("mod") ? value % 2 : value) + "\\n");
  },
});
`,
    [`${code.helperName}.ts`]: `(globalThis.order ??= []).push("helper");\n${
      laidOut("helper", code.helper, layout.helper)
    }`,
    "effect.ts": `(globalThis.order ??= []).push("effect");\n`,
    "late.ts": `${"\n".repeat(code.lateSpace)}export const late = "${code.late}";\n`,
    "data.json": `{ "value":${" ".repeat(code.dataSpace)}"${code.data}" }\n`,
    "types.ts": `export type Unused = string;\n// ${layout.types}\n`,
  };
  return Object.fromEntries(Object.entries(files).map(([name, text]) => [join(folder, name), text]));
}

function writeIfOther(path: string, text: string): void {
  try {
    if (Deno.readTextFileSync(path) === text) return;
  } catch {
    // The file does not exist yet.
  }
  Deno.mkdirSync(dirname(path), { recursive: true });
  Deno.writeTextFileSync(path, text);
}

async function load(folder: string, world: World) {
  for (const [name, text] of Object.entries(world.files)) writeIfOther(join(folder, `${name}.txt`), text);
  if (world.stages.some(({ kind }) => kind === "custom")) {
    setVariable(VARIABLE, world.variable);
    for (const [name, text] of Object.entries(codeOf(world))) writeIfOther(join(folder, name), text);
  }
  writeIfOther(join(folder, "p.yaml"), toYaml(world));
  const loaded = await loadPipeline(join(folder, "p.yaml"), { kinds: kindsOf(world) });
  if (!loaded.ok) throw new Error(`${loaded.diagnostics.map(({ message }) => message).join("\n")}\n${toYaml(world)}`);
  return loaded.value;
}

const storeOf = (folder: string) => openStore(join(folder, ".noiseline"));

/**
 * Plans and runs, each as a new process would, and compares plan, run and the model.
 * @returns the stages that ran
 */
async function reach(folder: string, world: World, memory: Memory, told: string, force: ReadonlySet<string>) {
  const planner = Planner.make(await load(folder, world), storeOf(folder), { force });
  if (!planner.ok) throw new Error(planner.diagnostics.map(({ message }) => message).join("\n"));
  const plan = (await planner.value.plan()).stages;
  // Asking for rights does not change the work.
  const askForGrants = () => Promise.resolve(true);
  const made = await runPipeline(await load(folder, world), storeOf(folder), {
    force,
    askForGrants,
    grants: grantsIn(folder),
  });
  if (!made.ok) throw new Error(made.diagnostics.map(({ message }) => message).join("\n"));
  const { status } = made.value;
  const { stages } = made.value;
  const story = `${told}\n${toYaml(world)}`;
  assertEquals(status, "done", story);

  const model = evaluate(world);
  assertEquals([...stages.keys()].sort(), [...model.keys()].sort(), story);
  const { fresh, lost } = memory.reach(model);
  const valueOf = (id: string) => model.get(id)!.value;
  const ran = new Set([...stages].filter(([, { state }]) => state === "ran").map(([id]) => id));

  for (const [id, { state }] of plan) {
    const end = stages.get(id)!.state;
    // Bytes that are gone may be restored before their turn, by a stage that turns out to make the same bytes.
    const healed = lost.flat().includes(id) && [...ran].some((one) => one !== id && valueOf(one) === valueOf(id));
    // Inputs with other recipes may turn out to have the same bytes, and then one result serves both.
    const { recipe } = model.get(id)!;
    const met = [...ran].some((one) => one !== id && model.get(one)!.recipe === recipe) ? ["restored"] : [];
    const allowed: readonly string[] = state === "may-run" || healed
      ? ["ran", "cached", "restored"]
      : state === "cached" || state === "restore"
      ? [state === "cached" ? "cached" : "restored"]
      : ["ran", ...met];
    assert(allowed.includes(end), `${id} was planned as ${state} and ended as ${end} after ${story}`);
  }

  for (const ids of fresh) {
    // A forced stage serves the others, unless they ran first.
    const free = ids.filter((id) => ran.has(id) && !force.has(id)).length;
    const forced = ids.filter((id) => force.has(id)).length;
    const count = `${ids} stand for one key, and ${free + forced} of them ran after ${story}`;
    assert(free <= 1 && free + forced >= 1, count);
  }
  for (const ids of lost) {
    const makers = [...ran].filter((id) => valueOf(id) === valueOf(ids[0]!));
    assert(makers.length > 0, `nobody made the bytes of ${ids} again after ${story}`);
  }
  const wanted = new Set([...fresh.flat(), ...lost.flat(), ...force]);
  assertEquals([...ran].filter((id) => !wanted.has(id)), [], `these ran for nothing after ${story}`);
  for (const id of force) assert(ran.has(id), `${id} was forced and did not run after ${story}`);
  const shards = [...made.value.plan.actions.values()].filter(({ id, share }) =>
    share !== undefined && made.value.actions.get(id)!.state === "ran"
  );
  assertEquals(shards.filter(({ stage }) => !ran.has(stage.id)), [], `these shards are for nothing after ${story}`);
  for (const [id, { value }] of model) {
    assertEquals(Deno.readTextFileSync(join(folder, "outputs/p", id, "value.txt")), value, `${id} after ${story}`);
  }
  return [...ran];
}

/**
 * Applies an edit to the folder.
 * @returns the stages to force
 */
function disturb(folder: string, world: World, memory: Memory, { what, at }: Edit): ReadonlySet<string> {
  const model = evaluate(world);
  const id = [...model.keys()][at % model.size]!;
  const view = join(folder, "outputs/p", id);
  const { value } = model.get(id)!;
  switch (what) {
    case "force":
      return new Set([id]);
    case "delete-output":
      Deno.removeSync(view, { recursive: true });
      break;
    case "modify-output":
      Deno.chmodSync(join(view, "value.txt"), 0o644);
      Deno.writeTextFileSync(join(view, "value.txt"), "mine\n");
      break;
    case "delete-object": {
      const sha256 = createHash("sha256").update(value).digest("hex");
      Deno.removeSync(join(folder, ".noiseline/objects", sha256.slice(0, 2), sha256));
      memory.lose(value);
      break;
    }
  }
  return new Set();
}

/** Takes a world through edits, checking after each one, and at the end that nothing is left to do. */
export async function checkHistory(first: World, edits: readonly Edit[]): Promise<void> {
  await using folder = await makeTempFolder();
  const memory = new Memory();
  const past: World[] = [];
  let world = first;
  await reach(folder.path, world, memory, "the start", new Set());
  for (const [index, edit] of edits.entries()) {
    const told = edits.slice(0, index + 1).map(({ what, at, by }) => `${what} ${at} ${by}`).join(", ");
    const next = applyEdit(world, edit, past);
    past.push(world);
    world = next;
    const force = disturb(folder.path, world, memory, edit);
    const due = await reach(folder.path, world, memory, told, force);
    // These edits must not cause any work, whatever the model says.
    if ((MEANINGLESS as readonly string[]).includes(edit.what)) assertEquals(due, [], `this meant something: ${told}`);
  }
  const again = await runPipeline(await load(folder.path, world), storeOf(folder.path), {
    grants: grantsIn(folder.path),
  });
  assert(again.ok && again.value.runId === undefined, "the second run did something");
}
