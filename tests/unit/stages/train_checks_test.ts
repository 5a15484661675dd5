import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { BUILTIN_NETWORK } from "../../../science/diffusion/networks.ts";
import { averagesOf, emaDecayAt } from "../../../science/diffusion/recipe.ts";
import { frozenBy } from "../../../stages/train/start.ts";
import { learningRateAt } from "../../../stages/shared/training.ts";
import { encodeKind, scheduleKind, trainKind } from "../../support/builtin_kinds.ts";
import { SMALL_TRAINING } from "./small_world.ts";

type Inputs = Parameters<NonNullable<typeof trainKind.check>>[1];

const IMAGES = { height: 8, width: 8, channels: 1, classes: 10, count: 40 };
const SCHEDULE = { timesteps: 50, betas: "ldm/cosine" };
const NETWORK = BUILTIN_NETWORK.recordOf(
  { height: 8, width: 8, channels: 1, outChannels: 1 },
  BUILTIN_NETWORK.params.parse(SMALL_TRAINING.model),
);
const NAMES = BUILTIN_NETWORK.parameters(NETWORK).map(({ name }) => name);

/** Checks a training, with facts of a checkpoint as its start if there are any. */
function check(params: object, start?: object) {
  const parsed = trainKind.params.parse({ ...SMALL_TRAINING, steps: 1, ...params });
  const inputs = { images: IMAGES, schedule: SCHEDULE, ...(start === undefined ? {} : { start }) };
  return trainKind.check!(parsed, inputs as Inputs);
}

Deno.test("predicted noise on a schedule with almost no signal at its end is warned about, where samples have no range", () => {
  const scheduleOf = (betas: string) =>
    scheduleKind.check!(scheduleKind.params.parse({ betas, timesteps: 1250 }) as never, {}).facts!["schedule"]!;
  const latentsOf = (normalize?: object) =>
    encodeKind.check!(encodeKind.params.parse({ normalize }), { images: IMAGES } as never).facts!["images"]!;
  const warned = (objective: string, betas: string, images: object) =>
    trainKind.check!(trainKind.params.parse({ ...SMALL_TRAINING, steps: 1, objective }), {
      images,
      schedule: scheduleOf(betas),
    } as Inputs).problems.filter(({ severity }) => severity === "warning").map(({ got }) => got);
  // cos(pi/2 (1249/1250 + 0.008) / 1.008), times the square root of 1 - 0.999, the largest beta.
  const got = "3.9e-5 of signal to noise at the last timestep of ldm/cosine";
  assertEquals(warned("eps", "ldm/cosine", latentsOf()), [got]);
  assertEquals(warned("eps", "ldm/cosine", latentsOf({ factor: 0.18215 })), [got]);
  assertEquals(warned("v", "ldm/cosine", latentsOf()), []);
  assertEquals(warned("eps", "ldm/linear", latentsOf()), []);
  assertEquals(warned("eps", "ldm/cosine", latentsOf({ range: [-4, 4] })), []);
  assertEquals(warned("eps", "ldm/cosine", IMAGES), []);
});

Deno.test("averages that are the same to the end are noted, and no others", () => {
  const decay = fc.constantFrom(0, 0.5, 0.9, 0.95, 0.99, 0.999, 0.9999);
  fc.assert(
    fc.property(
      fc.record({
        decay,
        warmup: fc.boolean(),
        others: fc.dictionary(fc.constantFrom("fast", "slow"), decay),
        steps: fc.integer({ min: 1, max: 1200 }),
      }),
      ({ steps, ...ema }) => {
        // The averages themselves, of weights that move at each step.
        const ends = averagesOf(ema).map(({ name, decay }) => {
          let average = 0;
          for (let n = 1; n <= steps; n++) {
            const kept = emaDecayAt(n, { decay, warmup: ema.warmup });
            average = kept * average + (1 - kept) * n ** 2;
          }
          return { name, average };
        });
        const alike = [...Map.groupBy(ends, ({ average }) => average).values()].filter(({ length }) => length > 1);
        const { notes = [] } = check({ ema, steps });
        assertEquals(
          notes.map((note) => /^the averages (.*) are the same/.exec(note)?.[1]),
          alike.map((same) => same.map(({ name }) => name).join(" and ")),
        );
        for (const [i, same] of alike.entries()) {
          const apart = new Set(same.map(({ name }) => averagesOf(ema).find((one) => one.name === name)!.decay));
          const [, from] = /from about step (\d+) on/.exec(notes[i]!) ?? [];
          assertEquals(from !== undefined, ema.warmup && apart.size > 1, notes[i]!);
          if (from === undefined) continue;
          const at = (step: number) =>
            new Set([...apart].map((decay) => emaDecayAt(step, { decay, warmup: true }))).size;
          // Rounding of (10 d - 1) / (1 - d) may be off by a step.
          assertEquals([at(Number(from) - 1), at(Number(from) + 2) > 1], [1, true], notes[i]!);
        }
      },
    ),
    { numRuns: 200 },
  );
  // Averages that go on start from different ones.
  assertEquals(check({ ema: { others: { fast: 0.99 } }, startWeights: "all" }, {}).notes, []);
});

Deno.test("steps at a learning rate of 0 are a warning, and no others", () => {
  fc.assert(
    fc.property(
      fc.record({
        shape: fc.constantFrom("linear", "cosine"),
        until: fc.integer({ min: 1, max: 30 }),
        floor: fc.constantFrom(0, 1e-6, 0.01, 1),
      }, { requiredKeys: ["shape", "until"] }),
      fc.integer({ min: 1, max: 40 }),
      (learningRateDecay, steps) => {
        const params = trainKind.params.parse({ ...SMALL_TRAINING, steps, learningRateDecay });
        const rates = Array.from({ length: steps }, (_, i) => learningRateAt(i + 1, params));
        // The rate of the last step of a decay to 0 is 0, as in diffusers: that alone is meant.
        const idle = rates.slice(learningRateDecay.until).filter((rate) => rate === 0).length;
        const { problems } = check({ steps, learningRateDecay });
        assertEquals(
          problems.map(({ severity, param, got }) => [severity, param?.join("."), got]),
          idle === 0
            ? []
            : [["warning", "learningRateDecay.until", `until ${learningRateDecay.until}, steps ${steps}`]],
        );
      },
    ),
    { numRuns: 300 },
  );
});

Deno.test("frozen parameters without a start keep random values, which is a warning", () => {
  const told = (params: object, start?: object) =>
    check(params, start).problems.map(({ severity, param }) => [severity, param]);
  assertEquals(told({ freeze: ["down.*"] }), [["warning", ["freeze"]]]);
  assertEquals(told({ freeze: ["down.*"] }, {}), []);
  assertEquals(told({ freeze: [] }), []);
  assertEquals(told({}), []);
});

Deno.test("parameters that start anew cannot be frozen", () => {
  const plain = { network: NETWORK, ...IMAGES, classes: null, timesteps: 50 };
  const labelled = { ...plain, network: { ...NETWORK, classes: 10 }, classes: 10 };
  const told = { augment: { name: "shift" } };
  const cases = [
    [{ labels: {} }, plain, "classes.embedding"],
    [{ labels: {} }, { ...labelled, classNames: ["a"] }, undefined],
    [{ labels: {} }, labelled, undefined],
    [told, plain, "augmentation.embedding"],
    [{ ...told, labels: {} }, labelled, "augmentation.embedding"],
    [{ ...told, labels: {} }, plain, "classes.embedding, augmentation.embedding"],
    [{}, labelled, undefined],
  ] as const;
  for (const [params, start, random] of cases) {
    for (const freeze of [["*.embedding"], ["a*", "c*"], ["*g"]]) {
      const { problems } = check({ model: "start", freeze, ...params }, start);
      const errors = problems.filter(({ message }) => message.includes("start anew"));
      assertEquals(errors.map(({ param, got }) => [param, got]), random === undefined ? [] : [[["freeze"], random]]);
    }
    const { problems } = check({ model: "start", freeze: ["down.*"], ...params }, start);
    assertEquals(problems, []);
  }
});

Deno.test("a misspelt pattern suggests what was meant, by any of its forms", () => {
  const fixOf = (pattern: string) => frozenBy([pattern], NAMES).problems[0]?.fix;
  const suggested = (pattern: string) => /^did you mean "(.*)"\?$/.exec(fixOf(pattern) ?? "")?.[1];
  const matched = (pattern: string) => [...frozenBy([pattern], NAMES).frozen];
  // The name of a group, or of a group in a group.
  const groups = new Set(NAMES.flatMap((name) => name.split(".").map((_, i, parts) => parts.slice(0, i).join("."))));
  groups.delete("");
  for (const group of groups) assertEquals(suggested(group), `${group}.*`);
  fc.assert(
    fc.property(
      fc.constantFrom(...NAMES),
      fc.nat(),
      fc.nat(),
      fc.constantFrom("whole", "group", "anywhere"),
      (name, which, letter, form) => {
        const parts = name.split(".");
        const long = [...parts.keys()].filter((i) => parts[i]!.length > 3);
        const index = long[which % long.length]!;
        const part = parts[index]!;
        // A letter is missing; not the last, which may be what tells two names apart.
        const at = letter % (part.length - 1);
        const slip = part.slice(0, at) + part.slice(at + 1);
        const write = (part: string) =>
          form === "whole"
            ? parts.with(index, part).join(".")
            : form === "group"
            ? [...parts.slice(0, index), part, "*"].join(".")
            : `*.${part}.*`;
        const meant = write(part);
        // Such a pattern may match nothing, as that of a last or first part.
        if (matched(meant).length === 0) return;
        const given = suggested(write(slip));
        // "*.nor2.*" may be norm or norm2: where two are equally near, neither is suggested.
        if (form !== "anywhere" || given !== undefined) assertEquals(given, meant);
      },
    ),
    { numRuns: 300 },
  );
  // With nothing near, the patterns are listed that may follow what is right.
  assertEquals(fixOf("down.7.*"), "use one of: down.0.*, down.1.*");
  assertEquals(fixOf("conv_in.xyz"), "use one of: conv_in.kernel, conv_in.bias");
  for (const rest of ["*", "kernel", "*.*"]) assertEquals(suggested(`conv_in.kernel.${rest}`), "conv_in.kernel");
  assertStringIncludes(fixOf("^(?=x)")!, "use one of: time.*, conv_in.*");
  for (const pattern of fixOf("?")!.replace("use one of: ", "").split(", ")) {
    assert(matched(pattern).length > 0, pattern);
  }
});

Deno.test("the patterns in the docs leave to train what they say", async () => {
  const docs = await Deno.readTextFile(new URL("../../../docs/fine-tuning.md", import.meta.url));
  const rows = [...docs.matchAll(/^\| (.*?) +\| `(\[.*\])` *\|$/gm)].map(([, what, list]) => {
    const { frozen, problems } = frozenBy(JSON.parse(list!), NAMES);
    assertEquals(problems, [], what);
    return [what, NAMES.filter((name) => !frozen.has(name))] as const;
  });
  const left = {
    "the way up and the output": /^(up|norm_out|conv_out)\./,
    "attention alone": /\.attention\./,
    "all but the norms": /^(?!.*norm)/,
    "all but kernels": /(?<!\.kernel)$/,
  };
  assertEquals(rows, Object.entries(left).map(([what, pattern]) => [what, NAMES.filter((name) => pattern.test(name))]));
});

Deno.test("a list of no patterns freezes nothing, and changes no key", () => {
  const parsed = trainKind.params.parse({ steps: 1, freeze: [] });
  assertEquals(parsed, trainKind.params.parse({ steps: 1 }));
});

Deno.test("a checkpoint of another width names the setting, then five parameters, then how many more", () => {
  const start = { network: { ...NETWORK, channels: 8 }, ...IMAGES, classes: null, timesteps: 50 };
  const [problem] = check({}, start).problems;
  const [setting, ...lines] = problem!.got!.split("\n");
  assertEquals(setting, "model.channels: 8 in the checkpoint, 4 in the network");
  assertEquals(lines.length, 6);
  assertEquals(lines[0], "time.dense1.kernel: [8, 32] in the checkpoint, [4, 16] in the network");
  const { parameters } = BUILTIN_NETWORK;
  const shape = new Map(parameters(start.network).map(({ name, shape }) => [name, `${shape}`]));
  const all = parameters(NETWORK).filter(({ name, shape: own }) => shape.get(name) !== `${own}`).length;
  assertEquals(lines[5], `and ${all - 5} more`);
});

Deno.test("gradClip is a number of float32, in which the step computes", () => {
  const isValid = (gradClip: number) => trainKind.params.safeParse({ ...SMALL_TRAINING, steps: 1, gradClip }).success;
  assertEquals([1e-3, 1e30, 3.4e38].map(isValid), [true, true, true]);
  assertEquals([3.41e38, 1e300, Infinity].map(isValid), [false, false, false]);
});

Deno.test("a learned variance of 16-bit images is refused with advice for files of images and for arrays", () => {
  const images = { ...IMAGES, dtype: "uint16" };
  const parsed = trainKind.params.parse({ ...SMALL_TRAINING, steps: 1, variance: "learned" });
  const { problems } = trainKind.check!(parsed, { images, schedule: SCHEDULE } as Inputs);
  const fixes = problems.map(({ fix }) => fix);
  assertEquals(fixes, ["leave this out, or make the data set with depth: 8, or of an array of uint8"]);
});
