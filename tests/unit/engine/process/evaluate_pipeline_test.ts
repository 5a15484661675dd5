import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "node:path";
import { evaluatePipeline } from "../../../../engine/pipeline/source/evaluate_pipeline.ts";
import { makeTempFolder } from "../support/temp.ts";

/** Evaluates a pipeline whose module begins with some code. */
async function evaluate(folder: string, code: string) {
  const file = join(folder, "p.ts");
  await Deno.writeTextFile(file, `${code}\nexport default { name: "p", stages: {} };\n`);
  return await evaluatePipeline(file, "p.ts");
}

Deno.test("a pipeline in TypeScript may load modules of its own, and clocks and chance are there", async () => {
  await using folder = await makeTempFolder();
  await Deno.writeTextFile(join(folder.path, "own.ts"), "export const own = 1;\n");
  const made = await evaluate(folder.path, 'import { own } from "./own.ts";\nvoid [own, Date.now(), Math.random()];');
  assert(made.ok, JSON.stringify(made));
  assertEquals(made.value.value, { name: "p", stages: {} });
});

for (
  const [what, code, told] of [
    ["reads a file", 'Deno.readTextFileSync("FOLDER/victim.txt")', /may not read .*victim\.txt/],
    ["writes a file", 'Deno.writeTextFileSync("FOLDER/victim.txt", "")', /may not write .*victim\.txt/],
    ["reads a variable", 'Deno.env.get("HOME")', /may not read the variable HOME/],
    ["connects", 'await fetch("http://127.0.0.1:8088/")', /may not use the network: 127\.0\.0\.1:8088/],
    ["starts a program", 'new Deno.Command("true").outputSync()', /may not start programs: true/],
  ] as const
) {
  Deno.test(`a pipeline in TypeScript that ${what} is refused`, async () => {
    await using folder = await makeTempFolder();
    const victim = join(folder.path, "victim.txt");
    await Deno.writeTextFile(victim, "untouched");
    const made = await evaluate(folder.path, `${code.replace("FOLDER", folder.path)};`);
    assert(!made.ok);
    assertMatch(made.diagnostics[0]!.message, told);
    assertEquals(await Deno.readTextFile(victim), "untouched");
  });
}

for (
  const [what, value, told] of [
    [
      "a key that would be lost",
      'JSON.parse(`{"stages": {"a": {"with": {"__proto__": 1}}}}`)',
      /stages\.a\.with\.__proto__: "__proto__" cannot be/,
    ],
    [
      "values that are nested too deeply",
      'JSON.parse("[".repeat(2000) + "]".repeat(2000))',
      /nested more than 100 deep/,
    ],
    [
      "a value that holds itself",
      "(() => { const a = {}; a.a = a; return a; })()",
      /not plain data: Maximum call stack/,
    ],
    [
      "a function for a value",
      "({ name: 'p', stages: {}, vars: { f() {} } })",
      /not plain data: Cannot encode a function/,
    ],
    ["nothing but a function", "() => ({})", /not plain data/],
    ["nothing at all", "undefined", /has no default export/],
    ["a date", "({ name: 'p', stages: {}, vars: { d: new Date(0) } })", /not plain data: Cannot encode a Date/],
    ["a getter that throws", "({ get name() { throw new Error('no mood'); } })", /no mood/],
  ] as const
) {
  Deno.test(`a pipeline in TypeScript with ${what} is refused`, async () => {
    await using folder = await makeTempFolder();
    const file = join(folder.path, "p.ts");
    await Deno.writeTextFile(file, `export default ${value};\n`);
    const made = await evaluatePipeline(file, "p.ts");
    assert(!made.ok);
    assertMatch(made.diagnostics[0]!.message, told);
    assert(made.diagnostics[0]!.message.length < 500);
  });
}
