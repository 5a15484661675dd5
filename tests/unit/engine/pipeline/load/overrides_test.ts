import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { layeredDocument } from "../../../../../engine/pipeline/compose/compose.ts";
import { applyOverrides } from "../../../../../engine/pipeline/load/overrides.ts";

const ROOT = {
  name: "p",
  seed: 1,
  vars: { size: 16, map: { a: 1 } },
  stages: { train: { uses: "train", with: { steps: 10, model: { multipliers: [1, 2] } } }, bare: { uses: "x" } },
};

interface Applied {
  readonly seed: unknown;
  readonly vars: Record<string, unknown>;
  readonly stages: Record<"train" | "bare", { with: Record<string, unknown> }>;
}

const apply = (...texts: string[]): Applied => {
  const { value, problems } = applyOverrides(ROOT, texts);
  assertEquals(problems, []);
  return value as Applied;
};

const firstProblem = (text: string) => {
  const { problems, layers } = applyOverrides(ROOT, [text]);
  assertEquals(layers, []);
  assert(problems[0] !== undefined, "there is no problem");
  return problems[0];
};

Deno.test("applyOverrides() sets params, vars and the seed on a copy", () => {
  const before = structuredClone(ROOT);
  const applied = apply("train.steps=20", "vars.size=8", "seed=2");
  assertEquals([applied.stages.train.with["steps"], applied.vars["size"], applied.seed], [20, 8, 2]);
  assertEquals(ROOT, before);
});

Deno.test("applyOverrides() reads values as YAML, with their types", () => {
  const values: [text: string, value: unknown][] = [
    ["1e-3", 1e-3],
    ["true", true],
    ["null", null],
    ["", null],
    ["[1, 2]", [1, 2]],
    ["{ a: b }", { a: "b" }],
    ["ldm/cosine", "ldm/cosine"],
    ['"10"', "10"],
    ["a=b", "a=b"],
    ["${vars.size}", "${vars.size}"],
  ];
  for (const [text, value] of values) assertEquals(apply(`train.x=${text}`).stages.train.with["x"], value, text);
});

Deno.test("applyOverrides() puts a file of one's own in the place of what is there, with the params that follow", () => {
  const own = apply("train.model.uses=./net.ts", "train.model.depth=4").stages.train.with;
  assertEquals(own, { steps: 10, model: { uses: "./net.ts", depth: 4 } });
  const texts = ["train.model.uses=./net.ts", "train.model.depth=4"];
  const modelOf = (...more: string[]) => apply(...texts, ...more).stages.train.with["model"];
  assertEquals(modelOf("train.model.uses=./net.ts"), { uses: "./net.ts", depth: 4 });
  assertEquals(modelOf("train.model.uses=./other.ts"), { uses: "./other.ts" });
  assertEquals(modelOf("train.model.name=unet"), { name: "unet" });
  // In a custom stage it is a param like any other.
  assertEquals(apply("train.uses=often").stages.train.with["steps"], 10);
});

Deno.test("applyOverrides() reaches into maps and lists, and makes maps that are not there", () => {
  const model = apply("train.model.multipliers.1=4", "train.model.width.first=3").stages.train.with["model"];
  assertEquals(model, { multipliers: [1, 4], width: { first: 3 } });
  assertEquals(apply("bare.a.b=1").stages.bare.with, { a: { b: 1 } });
  assertEquals(apply("vars.map.a=2").vars["map"], { a: 2 });
});

Deno.test("applyOverrides() appends to a list with +=, and begins one where there is none", () => {
  const { model, fresh, nothing } = apply(
    "train.model.multipliers+=4",
    "train.model.multipliers+=[5, 6]",
    "train.fresh+=a",
    "train.nothing=null",
    "train.nothing+=1",
  ).stages.train.with;
  assertEquals(model, { multipliers: [1, 2, 4, [5, 6]] });
  assertEquals([fresh, nothing], [["a"], [1]]);
  assertEquals(apply("bare.a.b+=1").stages.bare.with, { a: { b: [1] } });
  assertEquals(apply("vars.map.list+=1").vars["map"], { a: 1, list: [1] });
  // The sign belongs to the value unless it stands before the =.
  assertEquals(apply("train.x=+1").stages.train.with["x"], 1);
});

Deno.test("applyOverrides() removes params, items of lists, vars and the seed with ~", () => {
  const { stages, vars, seed } = apply("~train.steps", "~train.model.multipliers.0", "~vars.map.a", "~seed");
  assertEquals(stages.train.with, { model: { multipliers: [2] } });
  assertEquals([vars, seed], [{ size: 16, map: {} }, undefined]);
  assertEquals(apply("train.steps=3", "~train.steps", "train.steps=4").stages.train.with["steps"], 4);
});

Deno.test("applyOverrides() lets the last one win and keeps all for the origins", () => {
  const { value, layers } = applyOverrides(ROOT, ["seed=2", "seed=3"]);
  assertEquals((value as Applied).seed, 3);
  const document = layeredDocument(value, layers);
  assertEquals(document.origin(["seed"]), "--set seed=3, overriding --set seed=2");
  assertEquals(document.origin(["vars"]), undefined);
});

const REFUSED: [text: string, message: string, fix: string][] = [
  ["train.steps", "there is no path=value", "write --set stage.param=value"],
  ["=1", "there is no path=value", "write --set"],
  ["trian.steps=1", 'no stage "trian"', 'did you mean "train"?'],
  ["vars.sise=1", 'no var "sise"', 'did you mean "size"?'],
  ["vars=1", '"vars" needs a name', "vars.name=value"],
  ["seed.x=1", '"seed" has no parts', "seed=1"],
  ["train=1", "is a stage; name one of its params", "write --set"],
  ["train..steps=1", "empty part", "write --set"],
  ["train.steps.x=1", "is 10 and has no parts", "write --set"],
  ["train.model.multipliers.2=1", 'there is no item "2"', "write --set"],
  ["train.model.multipliers.x=1", 'there is no item "x"', "write --set"],
  ["train.steps=[1", "not valid YAML", "quote the value"],
  ["train.steps=*z", "the value cannot be read", "quote the value"],
  ["train.steps=&z [*z]", "the value cannot be read", "quote the value"],
  ["train.steps+=1", '"steps" is not a list', "write = in place of +="],
  ["train.model+=1", '"model" is not a list', "write = in place of +="],
  ["vars.size+=1", '"vars.size" is not a list', "write = in place of +="],
  ["seed+=1", '"seed" is not a list', "write = in place of +="],
  ["train.steps.x+=1", "is 10 and has no parts", "write --set"],
  ["~train.stepps", "there is nothing to remove", 'did you mean "steps"?'],
  ["~train.modell.multipliers", "there is nothing to remove", 'did you mean "model"?'],
  ["~train.model.multipliers.2", 'there is no item "2"', "write --set"],
  ["~train.steps.x", "is 10 and has no parts", "write --set"],
  ["~bare.steps", "there is nothing to remove", "remove it"],
  ["~trian.steps", 'no stage "trian"', 'did you mean "train"?'],
  ["~train", "is a stage; name one of its params", "write --set"],
  ["~train.constructor", "there is nothing to remove", "use one of"],
  ["constructor.x=1", 'no stage "constructor"', "use one of"],
  ["vars.constructor=1", 'no var "constructor"', "use one of"],
  ["train.with.steps=3", 'stage "train" has no param "with"', 'did you mean "train.steps"?'],
  ["train.with.model.depth=3", 'stage "train" has no param "with"', 'did you mean "train.model.depth"?'],
  ["train[lr=0.1].steps=3", "from which the pipeline makes it", 'did you mean "train.steps"?'],
  ["~train[lr=0.1].steps", "from which the pipeline makes it", 'did you mean "train.steps"?'],
  ["train/inner.steps=3", "from which the pipeline makes it", 'did you mean "train.steps"?'],
];

for (const [text, message, fix] of REFUSED) {
  Deno.test(`applyOverrides() refuses ${text}`, () => {
    const problem = firstProblem(text);
    assertEquals(problem.code, "override");
    assertStringIncludes(problem.message, message);
    assertStringIncludes(problem.fix ?? "", fix);
  });
}

const COMMAND = {
  stages: {
    guest: { uses: "command", with: { run: ["a"], params: { lr: 0.1, steps_per_epoch: 3, model: { depth: 2 } } } },
    none: { uses: "command", with: { run: ["a"], steps: 3 } },
  },
};

Deno.test("applyOverrides() takes no param of a program that the file does not declare", () => {
  const refused = (...texts: string[]) =>
    applyOverrides(COMMAND, texts).problems.map(({ message, fix }) => [message, fix]);
  const unknown = (text: string, name: string, stage: string) =>
    `cannot apply --set ${text}: the file declares no param "${name}" of stage "${stage}"`;
  const list =
    "use one of: guest.params.lr, guest.params.steps_per_epoch, guest.params.model, or declare it in the file";
  const cases: [text: string, name: string, fix: string][] = [
    ["guest.params.lrr=1", "lrr", 'did you mean "guest.params.lr"?'],
    ["guest.lr=1", "lr", 'did you mean "guest.params.lr"?'],
    ["guest.steps_per_epok=1", "steps_per_epok", 'did you mean "guest.params.steps_per_epoch"?'],
    ["guest.params.modle.depth=1", "modle", 'did you mean "guest.params.model"?'],
    ["guest.params.width=1", "width", list],
    ["guest.params.list+=1", "list", list],
    ["guest.params={ lr: 1, wdith: 2 }", "wdith", list],
    ["guest.steps=3", "steps", list],
  ];
  for (const [text, name, fix] of cases) assertEquals(refused(text), [[unknown(text, name, "guest"), fix]]);
  assertEquals(refused("none.params.a=1"), [
    [unknown("none.params.a=1", "a", "none"), "use one of: none.steps, or declare it in the file"],
  ]);
  // All at once, and what is refused is not applied.
  const texts = ["guest.params.lrr=1", "none.steps=5", "none.params.a=1"];
  assertEquals(refused(...texts).length, 2);
  const { stages } = applyOverrides(COMMAND, texts).value as typeof COMMAND;
  assertEquals([stages.guest, stages.none.with], [COMMAND.stages.guest, { run: ["a"], steps: 5 }]);
});

Deno.test("applyOverrides() takes no other type for a number or boolean that a program reads", () => {
  const root = {
    stages: {
      guest: { uses: "command", with: { run: ["a"], params: { lr: 0.1, ema: true, net: { w: 2 }, how: "a" } } },
    },
  };
  const cases: [text: string, declared: string, fix: string, got: string][] = [
    ["guest.params.lr=fast", '"guest.params.lr" as the number 0.1', "give a number", '"fast"'],
    ["guest.params.lr=true", '"guest.params.lr" as the number 0.1', "give a number", "true"],
    ["guest.params.ema=1", '"guest.params.ema" as the boolean true', "give a boolean", "1"],
    ["guest.params.net.w=big", '"guest.params.net.w" as the number 2', "give a number", '"big"'],
    ["guest.params={ lr: slow }", '"guest.params.lr" as the number 0.1', "give a number", '"slow"'],
  ];
  for (const [text, declared, fix, got] of cases) {
    const [problem] = applyOverrides(root, [text]).problems;
    assertStringIncludes(problem?.message ?? "", `the file declares ${declared}`);
    assertEquals([problem?.fix, problem?.got], [`${fix}, or change the file`, got]);
  }
  const taken = ["guest.params.lr=null", "guest.params.lr=[1, 2]", "guest.params.how=3", "guest.params.lr=${vars.lr}"];
  assertEquals(applyOverrides(root, taken).problems, []);
});

Deno.test("applyOverrides() leaves params that are declared, and what a schema knows, to be set", () => {
  const texts = [
    ...["guest.params.lr=1", "guest.params.model.width=2", "~guest.params.lr", "guest.params.lr=2", "none.steps=5"],
    ...["guest.net=true", "guest.env.A=1", "guest.sources+=a.py", "guest.params={ lr: 3 }", "guest.sorces=1"],
  ];
  assertEquals(applyOverrides(COMMAND, texts).problems, []);
});

Deno.test("applyOverrides() names nothing in the place of a seed that is not there", () => {
  const { problems } = applyOverrides({ name: "p", stages: {} }, ["~seed"]);
  assertEquals(problems.map(({ message, fix }) => [message, fix]), [
    ["cannot apply --set ~seed: there is nothing to remove", "remove it"],
  ]);
});

Deno.test("applyOverrides() takes inherited names for plain ones and changes no prototype", () => {
  assertEquals(apply("train.constructor.x=1").stages.train.with["constructor"] as unknown, { x: 1 });
  assertStringIncludes(firstProblem("train.__proto__.polluted=1").message, "__proto__ is not a name");
  assertEquals(({} as Record<string, unknown>)["polluted"], undefined);
});

Deno.test("applyOverrides() never throws, whatever the texts", () => {
  const part = fc.constantFrom(
    "train",
    "vars",
    "seed",
    "size",
    "steps",
    "model",
    "multipliers",
    "0",
    ".",
    "=",
    "[",
    "{",
  );
  const text = fc.array(fc.oneof(part, fc.string({ maxLength: 3 })), { maxLength: 8 }).map((all) => all.join(""));
  fc.assert(fc.property(fc.array(text, { maxLength: 3 }), (texts) => void applyOverrides(ROOT, texts)), {
    numRuns: 1000,
  });
});

Deno.test("applyOverrides() changes no other place that shares the value, as places that an alias fills do", () => {
  const shared = { steps: 1, list: [1, { a: 1 }] };
  const root = { stages: { a: { uses: "x", with: shared }, b: { uses: "x", with: shared } } };
  const { value } = applyOverrides(root, ["a.steps=2", "a.list.1.a=2", "~a.list.0"]);
  const { a, b } = (value as typeof root).stages;
  assertEquals(a.with as unknown, { steps: 2, list: [{ a: 2 }] });
  assertEquals(b.with, { steps: 1, list: [1, { a: 1 }] });
});

Deno.test("applyOverrides() refuses a path of thousands of parts, and shows a part of it", () => {
  const { message, got } = firstProblem(`train.${"a.".repeat(20_000)}b=1`);
  assertStringIncludes(message, "the path is too long");
  assert(message.length < 300);
  assertEquals(got, "20002 parts");
});
