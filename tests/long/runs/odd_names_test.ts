import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { Json } from "../../support/cli_process.ts";
import { Project } from "../../support/project.ts";

/** Names that every object answers to, and one that every promise does. */
const NAMES: readonly string[] = [...Object.getOwnPropertyNames(Object.prototype), "then"];
/** Those of them that a stage may have. */
const STAGES = ["constructor", "then"];

const STAGE = `import { defineStage, writeMetrics } from "noiseline";
import { z } from "zod";

export default defineStage({
  summary: "Writes a figure of each name",
  params: z.strictObject({ add: z.number().default(0) }),
  inputs: {},
  outputs: { metrics: { type: "metrics", description: "Figures" } },
  async run({ params, outputs }) {
    const metrics = ${JSON.stringify(NAMES)}.map((name, i) => ({ name, value: i + params.add, count: 1 }));
    await writeMetrics(outputs.metrics, { metrics });
    return undefined;
  },
});
`;
/** A pipeline file has no key `__proto__`. */
const KEYS = NAMES.filter((name) => name !== "__proto__");
const PROFILES = KEYS.map((name, i) => `  ${name}: { stages: { then: { with: { add: ${100 + i} } } } }`);
const PIPELINE = `name: odd
profiles:
${PROFILES.join("\n")}
stages:
${STAGES.map((name, i) => `  ${name}: { uses: ./odd.ts, with: { add: ${20 * i} } }`).join("\n")}
`;

async function ofCommand(project: Project, ...args: string[]): Promise<Json> {
  const outcome = await project.cli([...args, "--json"]);
  assertEquals(outcome.code, 0, `${args.join(" ")}\n${outcome.stdout}${outcome.stderr}`);
  return args[0] === "run" ? outcome.events : outcome.json;
}

/** Runs the same command for each name, and returns the documents that these commands print. */
async function forEachOf(
  project: Project,
  names: readonly string[],
  argsOf: (name: string) => readonly string[],
): Promise<Json[]> {
  const commands = names.map((name) => [...argsOf(name), "--json"]);
  return (await project.each(commands)).map(({ code, out, error }, i) => {
    assertEquals(code, 0, `${commands[i]!.join(" ")}\n${out}${error}`);
    return JSON.parse(out);
  });
}

/** Each command ends with exit code 2 and names all that it refuses; no stack is printed. */
async function areRefused(
  project: Project,
  refused: readonly { readonly names: readonly string[]; readonly args: readonly string[] }[],
): Promise<void> {
  for (const [i, { code, out, error }] of (await project.each(refused.map(({ args }) => args))).entries()) {
    const { names, args } = refused[i]!;
    assertEquals(code, 2, `${args.join(" ")}\n${out}${error}`);
    for (const name of names) assertStringIncludes(error, name);
    assert(!/^\s+at .*:\d+:\d+/m.test(error), error);
  }
}

Deno.test("a name of Object.prototype is a name like others as stage, figure, profile and tag, or is refused", async (t) => {
  await using project = new Project({ files: { "p.yaml": PIPELINE, "odd.ts": STAGE } });
  const cli = (...args: string[]) => ofCommand(project, ...args);
  const ids = ({ stages }: Json) => stages.map(({ id }: Json) => id).sort();
  const addOf = (id: string, { values }: Json) =>
    values.find(({ path }: Json) => path === `stages.${id}.with.add`).value;

  await t.step("a stage is planned, run, shown and set", async () => {
    assertEquals(ids(await cli("plan", "p.yaml")), STAGES);
    const ended = (await cli("run", "p.yaml")).filter(({ type }: Json) => type === "stage-finished");
    assertEquals(ended.map(({ id, state }: Json) => `${id} ${state}`).sort(), STAGES.map((id) => `${id} ran`));
    const shown = await cli("show", "p.yaml");
    assertEquals(STAGES.map((id) => addOf(id, shown)), [0, 20]);
    for (const id of STAGES) {
      const { stages } = await cli("plan", "p.yaml", "--set", `${id}.add=7`);
      assertEquals(
        stages.map((one: Json) => `${one.id} ${one.state}`).sort(),
        STAGES.map((one) => {
          return `${one} ${one === id ? "run" : "cached"}`;
        }),
      );
    }
    const wrong = NAMES.flatMap((name) => [`then.${name}`, ...STAGES.includes(name) ? [] : [`${name}.add`]]);
    const args = ["plan", "p.yaml", ...wrong.flatMap((path) => ["--set", `${path}=7`])];
    await areRefused(project, [{ names: wrong, args }]);
  });

  await t.step("a figure is listed, compared and on the page", async () => {
    const figures = JSON.stringify(await cli("metrics", "p.yaml"));
    const compared = JSON.stringify(await cli("compare", "p.yaml"));
    await cli("report", "p.yaml");
    const page = project.read("outputs/odd/report.html");
    for (const name of NAMES) {
      for (const text of [figures, compared, page]) assertStringIncludes(text, name);
    }
  });

  await t.step("a profile changes what it says, and one that is not there is refused", async () => {
    project.write("bare.yaml", PIPELINE.replace(/profiles:[^]*(?=\nstages:)/, ""));
    project.write("proto.yaml", PIPELINE.replace("constructor", "__proto__"));
    await areRefused(project, [
      ...NAMES.map((name) => ({ names: [name], args: ["show", "bare.yaml", "--profile", name] })),
      { names: ["__proto__"], args: ["show", "proto.yaml"] },
    ]);
    const shown = await forEachOf(project, KEYS, (name) => ["show", "p.yaml", "--profile", name]);
    assertEquals(shown.map((one) => addOf("then", one)), KEYS.map((_, i) => 100 + i));
  });

  await t.step("a tag is set, listed, compared and deleted", async () => {
    const allowed = NAMES.filter((name) => !name.startsWith("_"));
    await areRefused(project, [
      ...NAMES.filter((name) => !allowed.includes(name)).map((name) => ({
        names: [name],
        args: ["tag", name, "p.yaml"],
      })),
      ...NAMES.map((name) => ({ names: [name], args: ["export", name, "--output", "nowhere"] })),
    ]);
    await forEachOf(project, allowed, (name) => ["tag", name, "p.yaml"]);
    const listed = JSON.stringify(await cli("tag", "--list"));
    for (const name of allowed) assertStringIncludes(listed, `"${name}"`);
    assertStringIncludes(JSON.stringify(await cli("compare", ...allowed)), "valueOf");
    await forEachOf(project, allowed, (name) => ["tag", "--delete", name]);
  });

  await t.step("results are exported and imported", async () => {
    await cli("export", "p.yaml", "--output", "exported");
    await cli("import", "exported", "--store", "other");
    const { stages } = await cli("plan", "p.yaml", "--store", "other");
    assertEquals(stages.map(({ id, state }: Json) => `${id} ${state}`).sort(), STAGES.map((id) => `${id} restore`));
  });

  await t.step("`new` writes a stage of such a name that works", async () => {
    for (const name of STAGES) {
      await cli("new", "stage", name, "--folder", "written");
      const { stages } = await cli("plan", `written/${name}.yaml`);
      assert(stages.some(({ id }: Json) => id === name), name);
      await cli("run", `written/${name}.yaml`);
    }
  });
});
