import { assert, assertEquals } from "@std/assert";
import { COMMANDS } from "../../../cli/command.ts";
import { adviceFor } from "../../../schemas/words.ts";

const read = (path: string) => Deno.readTextFileSync(new URL(`../../../${path}`, import.meta.url));
const page = read("docs/from-pytorch.md");
/** The rows of both tables: the codes in the two columns. */
const rows = page.slice(page.indexOf("## Words")).split("\n").filter((line) => line.startsWith("| `")).map((line) =>
  line.split("|").slice(1, 3).map((cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, code]) => code!))
);

Deno.test("docs/from-pytorch.md: the program knows each old name of a param, and the schema each new one", () => {
  const schema = read("schemas/pipeline.schema.json");
  const params = rows.slice(0, rows.findIndex(([old]) => old![0]!.includes("wandb")));
  assert(params.length > 10);
  for (const [[word], [name]] of params as [[string], [string]][]) {
    assert(schema.includes(`"${name}"`), name);
    assert(adviceFor(word, [name]) !== undefined, `${word} -> ${name}`);
  }
});

Deno.test("docs/from-pytorch.md: the other words are commands, keys of stages and names of the module", () => {
  const schema = read("schemas/pipeline.schema.json");
  const module = read("package/python/noiseline/__init__.py");
  const names = rows.slice(rows.findIndex(([old]) => old![0]!.includes("wandb"))).flatMap(([, here]) => here!);
  const strange = names.filter((name) => {
    const [first, task, command] = name.split(" ");
    if (first === "deno" && task === "task") return !Object.hasOwn(COMMANDS, command!);
    return first!.startsWith("noiseline.") ? !module.includes(first!.slice(10)) : !schema.includes(`"${first}"`);
  });
  assertEquals(strange, []);
});
