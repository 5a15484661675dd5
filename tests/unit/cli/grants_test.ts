import { assertEquals, assertMatch } from "@std/assert";
import { join, relative } from "node:path";
import { describeOutlook, parseGrants } from "../../../cli/grants.ts";
import type { Stage } from "../../../engine/keys/stage.ts";
import type { Pipeline } from "../../../engine/pipeline/pipeline.ts";
import type { Outlook } from "../../../engine/plan/forecast.ts";
import { grantFlags, Grants, notGranted, requestsOf, rightsOf } from "../../../engine/run/rights.ts";
import { definitionOf } from "../engine/support/own_kinds.ts";
import { loadGood } from "../engine/support/load.ts";
import { makeTempFolder } from "../engine/support/temp.ts";

const STAGE = `import { defineStage, externalFile } from "noiseline";
import { z } from "zod";
export default defineStage({
  summary: "Asks for much",
  params: z.strictObject({ file: externalFile(z.string()) }),
  inputs: {},
  outputs: { out: { type: "files", description: "" } },
  permissions: { net: ["[::1]:80", "a.example"], env: ["A"], native: ["onnxruntime-node"] },
  run: async () => {},
});
`;

Deno.test("the flag that an error gives grants what is missing, whatever the paths are called", async () => {
  await using folder = await makeTempFolder();
  const file = join(folder.path, "it's, a file: net=b,native.txt");
  await Deno.mkdir(join(folder.path, "p"));
  await Deno.writeTextFile(file, "");
  await Deno.writeTextFile(join(folder.path, "p/stage.ts"), STAGE);
  const pipeline = await loadGood(
    join(folder.path, "p"),
    `name: p
stages:
  a: { uses: ./stage.ts, matrix: { seed: [1, 2] }, with: { file: ${JSON.stringify(file)} } }
`,
  );
  const [request, ...more] = requestsOf([...pipeline.stages.values()].map((stage) => ({ stage })), pipeline.folder);
  assertEquals(more, []);
  const rights = ["env=A", "native", "net=[::1]:80", "net=a.example", `read=${Deno.realPathSync(file)}`];
  assertEquals(request!.rights, rights);

  // One flag for all children of the matrix.
  assertMatch(grantFlags([request!]), /^--grant 'a:env=A/);

  // The flag as a shell would parse it.
  const { stdout } = await new Deno.Command("sh", { args: ["-c", `printf '%s\\n' ${grantFlags([request!])}`] })
    .output();
  const [option, text] = new TextDecoder().decode(stdout).split("\n");
  assertEquals(option, "--grant");
  const { granted, problems } = await parseGrants([text!], pipeline);
  assertEquals(problems, []);
  const place = join(folder.path, "config/grants.json");
  const grants = new Grants(pipeline.folder, place);
  assertEquals(grants.open([request!]), [request!]);
  for (const one of granted) grants.add(one);
  assertEquals(grants.open([request!]), []);
  assertEquals(new Grants(pipeline.folder, place).open([request!]), [request!]);
  grants.keep();
  // The grant is remembered, but only for this project.
  assertEquals(new Grants(pipeline.folder, place).open([request!]), []);
  assertEquals(new Grants("/", place).open([request!]).length, 1);

  // The path as the pipeline's file writes it, relative to this folder, and absolute.
  const name = file.slice(folder.path.length + 1);
  for (const path of [`../${name}`, relative(Deno.cwd(), file), file]) {
    const { granted, problems } = await parseGrants([`a:native,read=${path},env=A`], pipeline);
    assertEquals(problems, []);
    assertEquals(granted[0]!.rights, ["native", `read=${Deno.realPathSync(file)}`, "env=A"]);
  }
  const { problems: [unasked] } = await parseGrants(["a:env=B,native,read=../p"], pipeline);
  assertMatch(unasked!.message, /the stage does not ask for env=B, read=\.\.\/p$/);

  await Deno.writeTextFile(place, '{"format":2,"from":"a later version"}');
  const other = new Grants(pipeline.folder, place);
  assertEquals(other.open([request!]), [request!]);
  other.add(request!);
  other.keep();
  assertEquals(other.open([request!]), []);
  assertEquals(await Deno.readTextFile(place), '{"format":2,"from":"a later version"}');
});

Deno.test("one line grants all that several stages and files ask for, in whatever way they share them", async () => {
  await using folder = await makeTempFolder();
  await using elsewhere = await makeTempFolder();
  const external = (name: string) => JSON.stringify(join(elsewhere.path, name));
  for (const name of ["x, y", "z"]) await Deno.writeTextFile(join(elsewhere.path, name), "");
  await Deno.writeTextFile(join(folder.path, "one.ts"), STAGE);
  await Deno.writeTextFile(join(folder.path, "two.ts"), STAGE.replace('env: ["A"]', 'env: ["B"]'));
  const choices = ["one", "two"].flatMap((file) => ["x, y", "z"].map((name) => [file, name] as const));
  for (const [file, name] of choices) {
    const yaml = `name: p
stages:
  a: { uses: ./one.ts, with: { file: ${external("x, y")} } }
  b: { uses: ./two.ts, with: { file: ${external("z")} } }
  c: { uses: ./${file}.ts, with: { file: ${external(name)} } }
`;
    const pipeline = await loadGood(folder.path, yaml);
    const requests = requestsOf([...pipeline.stages.values()].map((stage) => ({ stage })), pipeline.folder);
    const { fix, message } = notGranted(requests, pipeline.origins);
    assertMatch(message, /^\.\/one\.ts, \.\/two\.ts ask for rights/);
    const line = fix!.split("if you trust it: ")[1]!;
    const { stdout } = await new Deno.Command("sh", { args: ["-c", `printf '%s\\n' ${line}`] }).output();
    const words = new TextDecoder().decode(stdout).trimEnd().split("\n");
    assertEquals(words.filter((word) => word === "--grant").length, 2);
    const { granted, problems } = await parseGrants(words.filter((word) => word !== "--grant"), pipeline);
    assertEquals(problems, [], `${file} ${name}`);
    const grants = new Grants(pipeline.folder, join(folder.path, "config", file, name, "grants.json"));
    for (const one of granted) grants.add(one);
    assertEquals(grants.open(requests), [], `${file} ${name}`);
  }
});

const BROKEN: Readonly<Record<string, (path: string) => void>> = {
  "no JSON": (path) => Deno.writeTextFileSync(path, '{"format":1,'),
  "too large": (path) => {
    using file = Deno.openSync(path, { write: true, create: true });
    file.truncateSync((64 << 20) + 1);
  },
  "a folder": (path) => Deno.mkdirSync(path),
  "a loop": (path) => Deno.symlinkSync(path, path),
};

Deno.test("what stands in the place of the list of grants and cannot be read is left as it is", async () => {
  for (const [what, put] of Object.entries(BROKEN)) {
    await using folder = await makeTempFolder();
    const place = join(folder.path, "grants.json");
    put(place);
    const facts = () => JSON.stringify([Deno.lstatSync(place).ino, Deno.lstatSync(place).size]);
    const before = facts();
    const grants = new Grants(folder.path, place);
    assertEquals(grants.problems.map(({ severity }) => severity), ["warning"], what);
    const request = { file: join(folder.path, "stage.ts"), uses: "./stage.ts", rights: ["native"], stage: {} as Stage };
    grants.add(request);
    grants.keep();
    assertEquals(grants.open([request]), []);
    assertEquals(facts(), before, what);
    assertEquals(Array.from(Deno.readDirSync(folder.path), ({ name }) => name), ["grants.json"], what);
  }
  await using folder = await makeTempFolder();
  assertEquals(new Grants(folder.path, join(folder.path, "none/grants.json")).problems, []);
});

Deno.test("a file outside the project asks to be read, whether it is named or imported", async () => {
  await using folder = await makeTempFolder();
  await using elsewhere = await makeTempFolder();
  const outside = join(elsewhere.path, "net.ts");
  await Deno.writeTextFile(outside, definitionOf("network"));
  await Deno.writeTextFile(join(folder.path, "again.ts"), `export { default } from ${JSON.stringify(outside)};\n`);
  for (const uses of [outside, "./again.ts"]) {
    const { stages, folder: home } = await loadGood(
      folder.path,
      `name: p\nstages:\n  a: { uses: learn, with: { model: { uses: ${uses} } } }\n`,
    );
    const asked = requestsOf([{ stage: stages.get("a")! }], home);
    assertEquals(asked.map(({ uses, rights }) => [uses, rights]), [[uses, [`read=${Deno.realPathSync(outside)}`]]]);
  }
});

Deno.test("a module from outside is asked for, also where it is called like a package", async () => {
  await using folder = await makeTempFolder();
  await using elsewhere = await makeTempFolder();
  const outside = join(elsewhere.path, "secret.json");
  await Deno.writeTextFile(outside, "{}");
  await Deno.writeTextFile(join(folder.path, "deno.json"), "{}");
  await Deno.symlink(outside, join(folder.path, "npm:package.json"));
  const files = ["stage.ts", "npm:package.json"].map((name) => [join(folder.path, name), "0".repeat(64)]);
  const userCode = [{ file: join(folder.path, "stage.ts"), uses: "./stage.ts", digest: "0", files }];
  const kind = { custom: true, name: "./stage.ts", version: "code:0", permissions: {}, roles: {}, userCode };
  const stage = { kind, params: {} } as unknown as Stage;
  assertEquals(rightsOf(stage, folder.path, false)[0]!.rights, [`read=${Deno.realPathSync(outside)}`]);
});

Deno.test("a stage that gets nothing of what is granted to several is not put on the list", async () => {
  await using folder = await makeTempFolder();
  const place = join(folder.path, "grants.json");
  const grants = new Grants(folder.path, place);
  grants.add({ file: join(folder.path, "asks_nothing.ts"), rights: [] });
  grants.add({ file: join(folder.path, "stage.ts"), rights: ["native"] });
  grants.keep();
  const { grants: kept } = JSON.parse(await Deno.readTextFile(place));
  assertEquals(kept.map(({ stage, rights }: { stage: string; rights: string[] }) => [stage, rights]), [
    ["stage.ts", ["native"]],
  ]);
});

const READER = `import { defineStage } from "noiseline";
import { z } from "zod";
export default defineStage({
  summary: "Reads what was learned, and a server",
  params: z.strictObject({}),
  inputs: { learned: { type: "checkpoint", description: "" } },
  outputs: { out: { type: "files", description: "" } },
  permissions: { net: ["a.example"], env: ["A"] },
  run: async () => {},
});
`;

Deno.test("what a custom stage may do is asked for it alone: no definition comes into its process", async () => {
  await using folder = await makeTempFolder();
  await Deno.writeTextFile(join(folder.path, "stage.ts"), READER);
  await Deno.writeTextFile(join(folder.path, "net.ts"), definitionOf("network"));
  const yaml = `name: p
stages:
  a: { uses: learn, with: { model: { uses: ./net.ts } } }
  b: { uses: ./stage.ts, inputs: { learned: a } }
`;
  const pipeline = await loadGood(folder.path, yaml);
  const requests = requestsOf([...pipeline.stages.values()].map((stage) => ({ stage })), pipeline.folder);
  const rights = ["env=A", "net=a.example"];
  assertEquals(requests.map((one) => [one.stage.entry, one.uses, one.rights]), [
    ["b", "./stage.ts", rights],
  ]);
  const { granted, problems } = await parseGrants(["b:env=A,net=a.example"], pipeline);
  assertEquals([granted.map(({ uses, rights }) => [uses, [...rights].sort()]), problems], [
    [["./stage.ts", rights]],
    [],
  ]);
});

Deno.test("long work that another device would be faster at is a note with the command that sets it up", () => {
  const slower = { totalMs: 5 * 3_600_000, stages: [{ id: "train", durationMs: 5 * 3_600_000 }] };
  const outlook = { tight: [], long: undefined, withoutCard: undefined, cardFix: undefined };
  const pipeline = { profiles: [], knownProfiles: [] } as unknown as Pipeline;
  const notesOf = (more: Pick<Outlook, "slower" | "faster">) => describeOutlook({ ...outlook, ...more }, pipeline);
  assertEquals(notesOf({ slower, faster: "deno task setup:torch" }), {
    notes: ["train: about 5h 00m here, and less on a device that is not set up: deno task setup:torch"],
  });
  assertEquals(notesOf({ slower: undefined, faster: "deno task setup:torch" }), { notes: [] });
});
