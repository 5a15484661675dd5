import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { type DocumentPath, formatPath } from "../../../../../engine/diagnostic/document.ts";
import { Problems } from "../../../../../engine/diagnostic/problems.ts";
import { interpolate as interpolateInto } from "../../../../../engine/pipeline/compose/interpolate.ts";
import { Budget } from "../../../../../engine/pipeline/source/tree.ts";
import { countCalls } from "../../../../support/work.ts";

function interpolate(root: unknown, budget?: Budget) {
  const problems = new Problems();
  const { value, interpolations } = interpolateInto(root, problems, budget);
  return { value, interpolations, problems: problems.diagnostics({ locate: () => undefined }) };
}

const good = (root: unknown) => {
  const { value, problems } = interpolate(root);
  assertEquals(problems, []);
  return value as Record<string, unknown>;
};

const firstProblem = (root: unknown) => {
  const [first] = interpolate(root).problems;
  assert(first !== undefined, "there is no problem");
  return first;
};

Deno.test("interpolate() keeps the type of a value that stands alone", () => {
  const vars = { n: 3, yes: true, nothing: null, list: [1, "a"], map: { k: 1.5 }, text: "t" };
  const wants = Object.fromEntries(Object.keys(vars).map((name) => [name, `\${vars.${name}}`]));
  assertEquals(good({ vars, wants })["wants"], vars);
});

Deno.test("interpolate() writes values within longer texts as text", () => {
  assertEquals(good({ vars: { n: 3, b: false }, x: "a ${vars.n}-${ vars.b }" })["x"], "a 3-false");
});

Deno.test("interpolate() reaches into maps and lists, and takes name and seed", () => {
  const root = { name: "p", seed: 9, vars: { a: [{ b: "deep" }] }, x: "${vars.a.0.b} of ${name}", y: "${seed}" };
  assertEquals(good(root), { ...root, x: "deep of p", y: 9 });
});

Deno.test("interpolate() resolves vars that name vars, also inside the value that it takes", () => {
  const vars = { a: 1, b: "${vars.a}", c: { d: ["${vars.b}", "x${vars.b}"] } };
  assertEquals(good({ vars, x: "${vars.c}" })["x"], { d: [1, "x1"] });
});

Deno.test("interpolate() takes $${ for a plain ${ and leaves other dollars alone", () => {
  assertEquals(good({ vars: {}, x: "$${vars.a} costs $5 $$ ${name}", name: "n" })["x"], "${vars.a} costs $5 $$ n");
});

Deno.test("interpolate() records where each value came from", () => {
  const { interpolations } = interpolate({ vars: { a: "${vars.b}", b: 2 }, x: { y: ["${vars.a}"] } });
  assertEquals(interpolations.filter(({ path }) => path[0] === "x"), [
    { path: ["x", "y", 0], expression: "vars.a", from: ["vars", "a"] },
    { path: ["x", "y", 0], expression: "vars.b", from: ["vars", "b"] },
  ]);
});

const REFUSED: [name: string, root: unknown, path: DocumentPath, message: string, fix: string][] = [
  ["an unknown var", { vars: { size: 1 }, x: "${vars.sise}" }, ["x"], "no such value", 'did you mean "size"?'],
  ["the environment", { x: "${env.HOME}" }, ["x"], "cannot resolve ${env.HOME}", "nothing else is available"],
  ["an empty expression", { x: "a${}" }, ["x"], "cannot resolve ${}", "use ${vars.…}"],
  ["a missing brace", { vars: { a: 1 }, x: "${vars.a" }, ["x"], "${ has no closing }", "close it"],
  [
    "a missing brace after a good one",
    { vars: { a: 1 }, x: "${vars.a} ${b" },
    ["x"],
    "${ has no closing }",
    "close it",
  ],
  ["nesting", { vars: { a: "b", b: 1 }, x: "${vars.${vars.a}}" }, ["x"], "cannot resolve", ""],
  ["a list within a text", { vars: { a: [1] }, x: "n ${vars.a}" }, ["x"], "is a list or a map", "use it alone"],
  [
    "a map that hides toString",
    { vars: { a: { toString: 1 } }, x: "n ${vars.a}" },
    ["x"],
    "is a list or a map",
    "alone",
  ],
  ["an inherited name", { vars: {}, x: "${vars.constructor}" }, ["x"], "no such value", ""],
  ["a var that names itself", { vars: { a: "${vars.a}" } }, ["vars", "a"], "cycle: vars.a -> vars.a", "plain value"],
  [
    "a cycle",
    { vars: { a: "${vars.b}", b: "x${vars.a}" } },
    ["vars", "a"],
    "vars.b -> vars.a -> vars.b",
    "plain value",
  ],
  ["a cycle through the whole of vars", { vars: { a: "${vars}" } }, ["vars", "a", "a"], "cycle", "plain value"],
  ["a cycle through a map", { vars: { a: { b: "${vars.a}" } } }, ["vars", "a", "b", "b"], "cycle", "plain value"],
];

for (const [name, root, path, message, fix] of REFUSED) {
  Deno.test(`interpolate() refuses ${name}`, () => {
    const problem = firstProblem(root);
    assertEquals(problem.path, formatPath(path));
    assertStringIncludes(problem.message, message);
    assertStringIncludes(problem.fix ?? "", fix);
  });
}

/** Returns vars each of which names the one before it `times` over. */
function tower(levels: number, times: number): Record<string, unknown> {
  const vars: Record<string, string> = { v0: "xxxxxxxx" };
  for (let level = 1; level < levels; level++) vars[`v${level}`] = `\${vars.v${level - 1}}`.repeat(times);
  return { vars, x: `\${vars.v${levels - 1}}` };
}

Deno.test("interpolate() refuses vars that double each other without doing the work", async () => {
  const calls = await countCalls(() => assert(interpolate(tower(60, 2)).problems.length > 0));
  // Written out it would be 2^59 texts.
  assert(calls < 10_000, `${calls} calls`);
});

/** Returns vars each of which is a list of the one before it, `times` over. */
function listTower(levels: number, times: number): Record<string, unknown> {
  const vars: Record<string, unknown> = { v0: "x" };
  for (let level = 1; level < levels; level++) vars[`v${level}`] = Array(times).fill(`\${vars.v${level - 1}}`);
  return { vars, x: `\${vars.v${levels - 1}}` };
}

Deno.test("interpolate() refuses lists that repeat each other where they become too much", async () => {
  const calls = await countCalls(() => {
    const { problems } = interpolate(listTower(34, 2));
    assertEquals(problems.map(({ path, message }) => [path?.split("[")[0], message]), [
      // 2 + 4 + … + 2^18 values are less than a million; with another 2^19 they are more.
      ["vars.v18", "the pipeline grows to more than 1000000 values"],
    ]);
  });
  // An attempt would walk through the 2^33 values.
  assert(calls < 10_000, `${calls} calls`);
});

Deno.test("interpolate() refuses lists that nest each other too deeply, in whatever order they stand", () => {
  const tower = listTower(20_000, 1);
  const reversed = { ...tower, vars: Object.fromEntries(Object.entries(tower["vars"] as object).reverse()) };
  for (const root of [tower, reversed]) assertStringIncludes(firstProblem(root).message, "more than 100 deep");
  assertStringIncludes(firstProblem(tower20000Texts()).message, "500 vars name each other");
});

/** Returns a chain of texts whose end comes first, so that nothing before it is known. */
function tower20000Texts(): Record<string, unknown> {
  const { vars } = tower(20_000, 1);
  return { vars: Object.fromEntries(Object.entries(vars as object).reverse()) };
}

Deno.test("interpolate() counts what a budget was spent on before", () => {
  const budget = new Budget();
  const root = { vars: { list: Array(1_000).fill(1) }, x: Array(400).fill("${vars.list}") };
  assertEquals(interpolate(root, budget).problems, []);
  assertEquals(interpolate(root, budget).problems, []);
  assertEquals(interpolate(root, budget).problems.length, 1);
});

Deno.test("interpolate() follows a long chain of vars", () => {
  assertEquals(good(tower(200, 1))["x"], "xxxxxxxx");
});

Deno.test("interpolate() leaves a tree without expressions as it is, the same object", () => {
  const root = { vars: { a: 1 }, x: { y: ["$", "{}", "$$"] } };
  assert(good(root) === root);
});

Deno.test("interpolate() never throws, whatever the tree", () => {
  const piece = fc.constantFrom("${", "}", "$$", "$", "{", "vars", ".", "a", "b", "0", "name", "seed", " ", "toString");
  const text = fc.array(piece, { maxLength: 8 }).map((all) => all.join(""));
  const tree = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      text,
      fc.integer(),
      fc.constant(null),
      fc.array(tie("value"), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom("a", "b", "toString", "__proto__"), tie("value"), { maxKeys: 3 }),
    ),
  })).value;
  fc.assert(fc.property(tree, tree, tree, (vars, name, x) => void interpolate({ vars, name, x })), { numRuns: 1500 });
});
