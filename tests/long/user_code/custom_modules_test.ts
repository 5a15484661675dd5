import { assertEquals, assertMatch } from "@std/assert";
import { join } from "node:path";
import { CLONE } from "../../support/cli_process.ts";
import { LOCKED } from "../../support/locked.ts";
import { Project } from "../../support/project.ts";

/** Returns a stage that writes one text. */
function stage(imports: string, text: string): string {
  return `import { defineStage } from "noiseline";
import { z } from "zod";
${imports}
export default defineStage({
  summary: "Writes a text",
  params: z.strictObject({}),
  inputs: {},
  outputs: { out: { type: "files", description: "A text" } },
  async run({ outputs }) {
    await outputs.out.write("text.txt", String(${text}));
  },
});
`;
}

const PIPELINE = "name: demo\nstages:\n  a: { uses: ./stages/s.ts }\n";

const { npm } = JSON.parse(Deno.readTextFileSync(join(CLONE, "deno.lock"))) as { npm: Record<string, unknown> };
const KNOWN: Readonly<Record<string, unknown>> = { ...npm, ...LOCKED };

/** Returns a lock file of the user. */
function lockOf(specifiers: Readonly<Record<string, string>>): string {
  const ids = Object.entries(specifiers).map(([specifier, version]) =>
    `${/^npm:(.+)@/.exec(specifier)![1]}@${version}`
  );
  const npm = Object.fromEntries(ids.map((id) => [id, KNOWN[id]]));
  return JSON.stringify({ version: "5", specifiers, npm });
}

Deno.test("a stage finds what the user's own import map names, its scopes and its lock", async () => {
  await using project = new Project({
    files: {
      "deno.json": JSON.stringify({
        imports: { "rx": "npm:ansi-regex@*", "lib/": "./lib/", "zod": "./not_zod.ts", "noiseline": "./not_zod.ts" },
        scopes: { "./stages/deep/": { "lib/": "./other/" } },
      }),
      "deno.lock": lockOf({ "npm:ansi-regex@*": "5.0.1" }),
      "not_zod.ts": "export {};\n",
      "lib/word.ts": 'export const word = "lib";\n',
      "other/word.ts": 'export const word = "other";\n',
      "stages/deep/scoped.ts": 'import { word } from "lib/word.ts";\nexport const scoped = word;\n',
      "stages/s.ts": stage(
        'import rx from "rx";\nimport { word } from "lib/word.ts";\nimport { scoped } from "./deep/scoped.ts";',
        // Version 5 has a pattern that later versions no longer have.
        '[word, scoped, rx().source.includes("TZcf-ntqry")].join(" ")',
      ),
      "p.yaml": PIPELINE,
    },
  });
  const { code, stderr } = await project.cli(["run", "p.yaml"]);
  assertEquals(code, 0, stderr);
  assertEquals(project.read("outputs/demo/a/text.txt"), "lib other true");
  assertEquals(project.read("deno.lock"), lockOf({ "npm:ansi-regex@*": "5.0.1" }));

  // The same files under other names are different code, however often the pipeline was loaded before.
  await project.cli(["plan", "p.yaml"]);
  project.write("deno.json", project.read("deno.json").replace('"lib/":"./other/"', '"lib/":"./lib/"'));
  const { json } = await project.cli(["plan", "p.yaml", "--json"]);
  assertEquals(json.stages[0].state, "run");
  assertEquals(json.stages[0].reasons.map((reason: { code: string }) => reason.code), ["code"]);
});

Deno.test("a stage and a pipeline in TypeScript find the members of a workspace and the packages of a package.json", async () => {
  await using project = new Project({
    files: {
      "deno.json": JSON.stringify({ workspace: ["./exp", "./lib"] }),
      "deno.lock": lockOf({ "npm:ansi-regex@5.0.1": "5.0.1" }),
      "lib/deno.json": JSON.stringify({ name: "@me/lib", version: "1.0.0", exports: "./mod.ts" }),
      "lib/mod.ts": 'export const name = "named";\n',
      "exp/deno.json": "{}",
      "exp/package.json": JSON.stringify({ dependencies: { rx: "npm:ansi-regex@5.0.1" } }),
      "exp/stages/s.ts": stage('import rx from "rx";\nimport { name } from "@me/lib";', "[name, typeof rx]"),
      "exp/p.ts": `import { definePipeline } from "noiseline";
import { name } from "@me/lib";
export default definePipeline({ name, stages: { a: { uses: "./stages/s.ts" } } } as never);
`,
    },
  });
  // Members of one workspace are one project, whose modules need no right.
  const { code, stderr } = await project.cli(["run", "exp/p.ts"]);
  assertEquals(code, 0, stderr);
  assertEquals(project.read("exp/outputs/named/a/text.txt"), "named,function");
});

for (
  const [what, settings, message, fix] of [
    ["nothing names", "{}", /the code imports "word\.ts", which cannot be resolved/, /under "imports" of/],
    [
      "lies at an address",
      '{"imports":{"word.ts":"https://code.invalid/w.ts"}}',
      /may not import https:\/\/code/,
      /npm/,
    ],
    ["a torn file names", '{"imports":{', /deno\.json'. Caused by: /, /deno\.json above it/],
    ["a map names that is gone", '{"importMap":"./gone.json"}', /import map at '.*gone\.json'/, /deno\.json above it/],
  ] as const
) {
  Deno.test(`validate refuses a stage that imports what ${what}`, async () => {
    await using project = new Project({
      files: { "deno.json": settings, "stages/s.ts": stage('import "word.ts";', "1"), "p.yaml": PIPELINE },
    });
    const { code, stderr } = await project.cli(["validate", "p.yaml"]);
    assertEquals(code, 2);
    assertMatch(stderr, message);
    assertMatch(stderr, fix);
    assertMatch(stderr, /^1 error/m);
  });
}

/** Packages that the toolkit does not have come from the registry that npm itself would use. */
const registry = Deno.env.get("NPM_CONFIG_REGISTRY") ?? "https://registry.npmjs.org/";
const asked = fetch(registry, { method: "HEAD", signal: AbortSignal.timeout(5000) });
const online = await asked.then(() => true, () => false);

Deno.test({
  name: `${online ? "" : "skipped: no registry: "}a stage uses packages that look at NODE_ENV and build on others`,
  ignore: !online,
  fn: async () => {
    await using project = new Project({
      files: {
        "stages/s.ts": stage(
          'import { mean } from "npm:simple-statistics@7.8.8";\nimport React from "npm:react@18.2.0";',
          "[mean([1, 2, 6]), React.version]",
        ),
        "p.yaml": PIPELINE,
      },
    });
    const { code, stderr } = await project.cli(["run", "p.yaml"]);
    assertEquals(code, 0, stderr);
    assertEquals(project.read("outputs/demo/a/text.txt"), "3,18.2.0");
  },
});
