import fc from "fast-check";

/**
 * A tiny model of pipelines that knows nothing of the engine: what the stages are, what they compute, and what they must
 * therefore be run for. It compares contents where the engine compares digests.
 */
export interface ModelStage {
  readonly name: string;
  readonly kind: "source" | "mix" | "walk" | "deal" | "custom";
  /** Undefined: left to the kind's default. */
  readonly text: string | undefined;
  readonly extra: number | undefined;
  readonly note: string;
  readonly file: "f0" | "f1" | undefined;
  readonly steps: number;
  /** Numbers that are folded into the range of the stages before. */
  readonly reads: readonly number[];
  /** Values of a matrix over `text`. */
  readonly axis: readonly string[] | undefined;
  /** A stage of the same sort, to be waited for and not read. */
  readonly needs: number | undefined;
  /** Seed of a mix stage, in place of the pipeline's seed. */
  readonly seed: number | undefined;
  /** Selects the stage's resources, retries and time limit, which do not affect the result. */
  readonly limits: number;
}

/**
 * The file of all custom stages, with the modules that it imports. What it does is compared, by the literals and the order
 * that decide it; what is only read as data, by its text.
 */
export interface ModelCode {
  readonly main: string;
  readonly helper: string;
  /** Imported as JSON. */
  readonly data: string;
  /** Imported while the stage runs. */
  readonly late: string;
  /** The module that is imported for what it does alone comes before the helper. */
  readonly effectFirst: boolean;
  /** The helper has another name, so that other code finds it. */
  readonly helperName: string;
  /** A number is written otherwise: one may not be able to tell that it is the same. */
  readonly spelling: number;
  readonly seeded: boolean;
  /** True if the code may read the variable of {@linkcode World.variable}. */
  readonly reads: boolean;
  /** Spaces in what is read as data, which nobody knows to be none. */
  readonly dataSpace: number;
  readonly lateSpace: number;
}

/** Aspects of the file of all custom stages that do not affect results. */
export interface ModelLayout {
  readonly main: number;
  readonly helper: number;
  /** Layout of types, and of a module that contains nothing else. */
  readonly types: number;
  /** Where the file and its modules lie. */
  readonly place: "./code.ts" | "./other.ts" | "./lib/code.ts";
}

export interface World {
  readonly stages: readonly ModelStage[];
  readonly seed: number;
  readonly files: Readonly<Record<string, string>>;
  readonly defaultText: string;
  /** Default of a param that came later, with the legacy value 3; undefined before it came. */
  readonly extraDefault: number | undefined;
  /** By how much the stages stand rotated in the file. */
  readonly shift: number;
  readonly style: number;
  /** Number of shards for all stages that can have them: stages of one key but different numbers would both run. */
  readonly shards: number;
  /** Value of the variable that custom stages may read. */
  readonly variable: string;
  readonly code: ModelCode;
  readonly layout: ModelLayout;
}

/** Few values, so that equal stages, equal bytes and returns to older values are common. */
export function worlds(kinds: readonly ModelStage["kind"][], maxLength: number): fc.Arbitrary<World> {
  const texts = fc.constantFrom("a", "b", "moda", "modb", "modc");
  const stage = fc.record({
    kind: fc.constantFrom(...kinds),
    text: fc.option(texts, { nil: undefined, freq: 3 }),
    file: fc.constantFrom(undefined, undefined, "f0" as const, "f1" as const),
    steps: fc.constantFrom(1, 2, 3),
    reads: fc.array(fc.nat({ max: 99 }), { maxLength: 3 }),
    axis: fc.option(fc.uniqueArray(texts, { minLength: 1, maxLength: 3 }), { nil: undefined, freq: 2 }),
  });
  return fc.array(stage, { minLength: 1, maxLength }).map((stages) => ({
    stages: stages.map((one, index) => ({
      ...one,
      name: `s${index}`,
      extra: undefined,
      note: "",
      axis: one.kind === "source" ? one.axis : undefined,
      needs: undefined,
      seed: undefined,
      limits: 0,
    })),
    seed: 0,
    files: { f0: "x", f1: "y" },
    defaultText: "a",
    extraDefault: undefined,
    shift: 0,
    style: 0,
    shards: 1,
    variable: "v",
    code: {
      main: "m",
      helper: "h",
      data: "d",
      late: "l",
      effectFirst: false,
      helperName: "helper",
      spelling: 0,
      seeded: false,
      reads: false,
      dataSpace: 0,
      lateSpace: 0,
    },
    layout: { main: 0, helper: 0, types: 0, place: "./code.ts" },
  }));
}

/** Lines that declare a stage's resources, retries and time limit. */
const LIMITS: readonly (readonly string[])[] = [
  [],
  ["    resources: { cpu: 1 }"],
  ["    resources: { cpu: 2 }", "    retries: 1"],
  // Only what runs in a process of its own can be stopped.
  ["    resources: { cpu: 2, memory: 4GiB }", "    timeout: 1h"],
];

const isSingle = (kind: ModelStage["kind"]) => kind === "walk" || kind === "deal";

/** The stages that a stage reads, without those that its port cannot take. */
function sources(world: World, index: number): number[] {
  const { kind, reads } = world.stages[index]!;
  if (index === 0 || kind === "source") return [];
  const all = [...new Set(reads.map((one) => one % index))];
  if (!isSingle(kind)) return all;
  // A single port bound to a matrix would expand the stage; that is for the tests of matrices.
  return all.filter((one) => world.stages[one]!.axis === undefined).slice(0, 1);
}

/**
 * Returns the stage that another one waits for; undefined if both have a matrix, since a child would wait for its
 * counterpart in the other matrix, which may not exist.
 */
function neededBy({ stages }: World, index: number, needs: number): ModelStage | undefined {
  const before = stages[needs % index]!;
  return before.axis !== undefined && stages[index]!.axis !== undefined ? undefined : before;
}

/** The pipeline file. Order, comments, quotes and spaces depend on the style, and mean nothing. */
export function toYaml(world: World): string {
  const { style, stages, shift, extraDefault, shards, layout } = world;
  const odd = style % 2 === 1;
  const blocks = stages.map((stage, index) => {
    const { name, kind, text, extra, note, file, steps, axis, needs, seed, limits } = stage;
    const before = needs === undefined || index === 0 ? undefined : neededBy(world, index, needs);
    const params: [string, unknown][] = [];
    if (axis !== undefined) params.push(["text", "${matrix.text}"]);
    else if (text !== undefined) params.push(["text", text]);
    if (kind === "walk") params.push(["steps", steps]);
    if (kind === "deal") params.push(["count", 2 * steps]);
    if (kind === "source") {
      if (note !== "") params.push(["note", note]);
      if (file !== undefined) params.push(["file", `./${file}.txt`]);
      if (extra !== undefined && extraDefault !== undefined) params.push(["extra", extra]);
    }
    if (odd) params.reverse();
    const withs = params.map(([key, value]) => `${key}: ${JSON.stringify(value)}`).join(odd ? ",   " : ", ");
    const from = sources(world, index).map((one) => stages[one]!.name);
    const lines = [
      `    uses: ${kind === "custom" ? layout.place : kind}`,
      `    with: { ${withs} }${style % 3 === 1 ? "  # a remark" : ""}`,
      ...(from.length === 0 ? [] : [`    inputs: { from: ${isSingle(kind) ? from[0] : `[${from.join(", ")}]`} }`]),
      ...(before === undefined ? [] : [`    needs: ${before.name}`]),
      ...(kind === "mix" && seed !== undefined ? [`    seed: ${seed}`] : []),
      ...(kind === "deal" && shards > 1 ? [`    shards: ${shards}`] : []),
      ...LIMITS[limits % (kind === "custom" ? 4 : 3)]!,
      ...(axis === undefined ? [] : [`    matrix: { text: ${JSON.stringify(axis)} }`]),
    ];
    return `  ${name}:\n${(odd ? lines.toReversed() : lines).join(style % 4 === 2 ? "\n\n" : "\n")}\n`;
  });
  const at = shift % blocks.length;
  const turned = [...blocks.slice(at), ...blocks.slice(0, at)];
  return `${style % 3 === 2 ? "# A question\n\n" : ""}name: p\nseed: ${world.seed}\nstages:\n${turned.join("")}`;
}

export interface ModelResult {
  /** All that decides about the bytes. */
  readonly recipe: string;
  readonly value: string;
}

function fold(seed: number, texts: readonly string[], text: string): number {
  let value = seed;
  for (const char of texts.join("|") + text) value = (value * 31 + char.charCodeAt(0)) % 1_000_003;
  return text.startsWith("mod") ? value % 2 : value;
}

/** Computes what a stage writes. */
function compute(world: World, { kind, steps, seed }: ModelStage, texts: readonly string[], text: string): string {
  const { code, variable } = world;
  switch (kind) {
    case "source":
      return `${fold(0, texts, text)}\n`;
    case "mix":
      return `${fold(seed ?? world.seed, texts, text)}\n`;
    case "walk":
      return `${fold(steps, texts, text)}\n`;
    case "deal":
      return `${Array.from({ length: 2 * steps }, (_, first) => fold(first, texts, text))}\n`;
    case "custom": {
      const said = [
        code.effectFirst ? "e" : "",
        code.main,
        code.helper,
        code.data,
        code.late,
        code.reads ? variable : "",
      ];
      return `${said.join("")}${fold(code.seeded ? world.seed : 0, texts, text)}\n`;
    }
  }
}

/** What every stage of the pipeline comes to, by id; children of a matrix under their own. */
export function evaluate(world: World): Map<string, ModelResult> {
  const results = new Map<string, ModelResult>();
  const members: string[][] = [];
  world.stages.forEach((stage, index) => {
    const { kind, name, steps, axis, file, extra } = stage;
    const inputs = sources(world, index).flatMap((one) => members[one]!).map((id) => results.get(id)!.value);
    const fallback = kind === "source" ? world.defaultText : "a";
    members[index] = (axis ?? [undefined]).toSorted().map((chosen) => {
      const text = axis !== undefined ? chosen! : stage.text ?? fallback;
      const wanted = world.extraDefault === undefined ? 3 : extra ?? world.extraDefault;
      const recipe = JSON.stringify({
        kind,
        text,
        steps: isSingle(kind) ? steps : null,
        seed: kind === "mix" ? stage.seed ?? world.seed : kind === "custom" && world.code.seeded ? world.seed : null,
        file: kind === "source" && file !== undefined ? world.files[file] : null,
        // Left out where it equals what old code implied.
        extra: kind === "source" && wanted !== 3 ? wanted : null,
        code: kind === "custom" ? world.code : null,
        variable: kind === "custom" && world.code.reads ? world.variable : null,
        inputs,
      });
      const value = compute(world, stage, inputs, text);
      const id = axis === undefined ? name : `${name}~text=${chosen}`;
      results.set(id, { recipe, value });
      return id;
    });
  });
  return results;
}

/** What a run has to do. */
export interface Due {
  /** Stages that stand for one key of which no result was ever made: exactly one of each group must run. */
  readonly fresh: readonly (readonly string[])[];
  /** Stages whose bytes are gone: one that makes them must run, which serves the others if they come later. */
  readonly lost: readonly (readonly string[])[];
}

/** What was ever computed, and which bytes are still there. */
export class Memory {
  readonly #values = new Map<string, string>();
  readonly #objects = new Set<string>();

  lose(value: string): void {
    this.#objects.delete(value);
  }

  /** Take a run into account. */
  reach(results: ReadonlyMap<string, ModelResult>): Due {
    const all = [...results].map(([id, result]) => ({ id, ...result }));
    const fresh = all.filter(({ recipe }) => !this.#values.has(recipe));
    const lost = all.filter(({ recipe, value }) => this.#values.has(recipe) && !this.#objects.has(value));
    const due = {
      fresh: groupIds(fresh, ({ recipe }) => recipe),
      lost: groupIds(lost, ({ value }) => value),
    };
    for (const { recipe, value } of all) {
      this.#values.set(recipe, value);
      this.#objects.add(value);
    }
    return due;
  }
}

function groupIds<T extends { id: string }>(all: readonly T[], by: (one: T) => string): string[][] {
  return [...Map.groupBy(all, by).values()].map((group) => group.map(({ id }) => id));
}
