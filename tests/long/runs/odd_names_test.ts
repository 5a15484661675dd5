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

/** The command ends with exit code 2 and names all that it refuses; no stack is printed. */
async function isRefused(project: Project, names: readonly string[], ...args: string[]): Promise<void> {
  const { code, stderr, stdout } = await project.cli(args);
  assertEquals(code, 2, `${args.join(" ")}\n${stdout}${stderr}`);
  for (const name of names) assertStringIncludes(stderr, name);
  assert(!/^\s+at .*:\d+:\d+/m.test(stderr), stderr);
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
    await isRefused(project, wrong, "plan", "p.yaml", ...wrong.flatMap((path) => ["--set", `${path}=7`]));
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
    for (const name of NAMES) await isRefused(project, [name], "show", "bare.yaml", "--profile", name);
    project.write("proto.yaml", PIPELINE.replace("constructor", "__proto__"));
    await isRefused(project, ["__proto__"], "show", "proto.yaml");
    for (const [i, name] of KEYS.entries()) {
      assertEquals(addOf("then", await cli("show", "p.yaml", "--profile", name)), 100 + i);
    }
  });

  await t.step("a tag is set, listed, compared and deleted", async () => {
    const allowed = NAMES.filter((name) => !name.startsWith("_"));
    for (const name of NAMES) {
      if (!allowed.includes(name)) await isRefused(project, [name], "tag", name, "p.yaml");
      await isRefused(project, [name], "export", name, "--output", "nowhere");
      if (allowed.includes(name)) await cli("tag", name, "p.yaml");
    }
    const listed = JSON.stringify(await cli("tag", "--list"));
    for (const name of allowed) assertStringIncludes(listed, `"${name}"`);
    assertStringIncludes(JSON.stringify(await cli("compare", ...allowed)), "valueOf");
    for (const name of allowed) await cli("tag", "--delete", name);
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
