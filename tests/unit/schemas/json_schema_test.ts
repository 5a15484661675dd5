import { assert, assertEquals } from "@std/assert";
import { Ajv2020 } from "ajv/dist/2020.js";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { clusterSchemaText, schemaText } from "../../../dev/generate_schema.ts";

const SCHEMA = new URL("../../../schemas/pipeline.schema.json", import.meta.url);
const PIPELINES = new URL("../../../pipelines/", import.meta.url);

const validate = new Ajv2020({ strict: false, allErrors: true }).compile(JSON.parse(schemaText()));

/** Returns the errors that an editor would underline, as `path message`. */
function complaints(yaml: string): string[] {
  if (validate(parse(yaml))) return [];
  return validate.errors!.map(({ instancePath, message }) => `${instancePath} ${message}`);
}

Deno.test("schemas/pipeline.schema.json is what the Zod schemas say now", async () => {
  const written = await Deno.readTextFile(SCHEMA).catch(() => "");
  assert(written === schemaText(), "the file is stale. Run: deno run -A dev/generate_schema.ts");
});

Deno.test("schemas/cluster.schema.json is what the Zod schema says now, and takes the example and no slip in it", async () => {
  const written = await Deno.readTextFile(new URL("../../../schemas/cluster.schema.json", import.meta.url));
  assert(written === clusterSchemaText(), "the file is stale. Run: deno run -A dev/generate_schema.ts");
  const check = new Ajv2020({ strict: false }).compile(JSON.parse(written));
  const example = await Deno.readTextFile(new URL("../../../pipelines/clusters/example.yaml", import.meta.url));
  assert(check(parse(example)));
  for (const slip of ["partition:", "time: 1h", "cache: /", "kinds:"]) {
    assert(!check(parse(example.replace(slip, slip.replace(/(?=[:/])|(?<=: )/, "x")))), slip);
  }
});

/** A JSON Schema, as far as the next test reads it. */
interface Node {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Node>>;
  readonly [key: string]: unknown;
}

/** Returns the places of fields without a description, in all that is within a schema. */
function undescribed(node: unknown, at: string): string[] {
  if (typeof node !== "object" || node === null) return [];
  const { properties = {}, if: _, ...rest } = node as Node;
  return [
    ...Object.entries(properties).flatMap(([name, one]) => [
      ...((one.description ?? "").length > 3 || at.endsWith("/then") ? [] : [`${at}/${name}`]),
      ...undescribed(one, `${at}/${name}`),
    ]),
    ...Object.entries(rest).flatMap(([key, one]) =>
      undescribed(one, /^(?:\d+|anyOf|oneOf)$/.test(key) ? at : `${at}/${key}`)
    ),
  ];
}

Deno.test("editors show a description of every field, and of every param of every kind", () => {
  const { anyOf: _, ...file } = JSON.parse(schemaText());
  assertEquals([...undescribed(file, ""), ...undescribed(JSON.parse(clusterSchemaText()), "cluster")], []);
});

for (const { name } of [...Deno.readDirSync(PIPELINES)].sort((a, b) => a.name < b.name ? -1 : 1)) {
  if (!name.endsWith(".yaml")) continue;
  Deno.test(`the JSON Schema accepts pipelines/${name}`, async () => {
    assertEquals(complaints(await Deno.readTextFile(fileURLToPath(new URL(name, PIPELINES)))), []);
  });
}

const stage = (text: string) => `name: p\nstages:\n  s: ${text}\n`;
const SCHEDULE = "uses: schedule, with: { betas: ldm/cosine, timesteps: ";

const ACCEPTED: Record<string, string> = {
  "an interpolation where a number is wanted": stage(`{ ${SCHEDULE}"\${vars.t}" } }`),
  "an interpolation where a choice is wanted": stage(
    '{ uses: schedule, with: { betas: "ldm/${vars.b}", timesteps: 9 } }',
  ),
  "an interpolation deep inside": stage('{ uses: train, with: { steps: 1, model: { channels: "${vars.c}" } } }'),
  "an interpolation within a list": stage(
    '{ uses: train, with: { steps: 1, model: { multipliers: ["${vars.a}", 2] } } }',
  ),
  "an interpolation for a whole map": stage('{ uses: sample, with: { count: 4, sampler: "${vars.s}" } }'),
  "an interpolation outside of params": `seed: "\${vars.s}"\n${
    stage('{ uses: ./a.ts, resources: { gpu: "${vars.g}" } }')
  }`,
  "a custom stage with any params": stage("{ uses: ./mine.ts, with: { anything: [1] }, inputs: { any: a } }"),
  "a sampler by name": stage("{ uses: sample, with: { count: 4, sampler: { name: ancestral } } }"),
  "a stage of another file that is removed": "name: p\nextends: ./a.yaml\nstages:\n  s: null\n",
  "resources, timeout and retries": stage(`{ ${SCHEDULE}9 }, resources: { gpu: 1 }, timeout: 10m, retries: 2 }`),
};

for (const [name, yaml] of Object.entries(ACCEPTED)) {
  Deno.test(`the JSON Schema accepts ${name}`, () => assertEquals(complaints(yaml), []));
}

const REFUSED: Record<string, [yaml: string, path: string]> = {
  "no name": ["stages: { s: { uses: ./a.ts } }", ""],
  "an unknown key": [`${stage("{ uses: ./a.ts }")}nmae: q\n`, ""],
  "an unknown kind": [stage("{ uses: sampel }"), "/stages/s/uses"],
  "an unknown param": [stage(`{ ${SCHEDULE}9, steps: 3 } }`), "/stages/s/with"],
  "a text without ${} where a number is wanted": [stage(`{ ${SCHEDULE}many } }`), "/stages/s/with/timesteps"],
  "a number out of range": [stage(`{ ${SCHEDULE}0 } }`), "/stages/s/with/timesteps"],
  "a bare schedule name": [stage("{ uses: schedule, with: { betas: linear, timesteps: 9 } }"), "/stages/s/with/betas"],
  "a missing param": [stage("{ uses: schedule, with: { timesteps: 9 } }"), "/stages/s/with"],
  "an unknown input": [stage("{ uses: evaluate, inputs: { image: a } }"), "/stages/s/inputs"],
  "an unknown sampler": [
    stage("{ uses: sample, with: { count: 4, sampler: { name: euler } } }"),
    "/stages/s/with/sampler",
  ],
  "a bad timeout": [stage("{ uses: ./a.ts, timeout: 10 minutes }"), "/stages/s/timeout"],
  "a stage that is a list": [stage("[]"), "/stages/s"],
};

for (const [name, [yaml, path]] of Object.entries(REFUSED)) {
  Deno.test(`the JSON Schema refuses ${name}`, () => {
    const found = complaints(yaml);
    assert(found.some((one) => one.startsWith(`${path} `)), `wanted a complaint at ${path}, got ${found.join("; ")}`);
  });
}
