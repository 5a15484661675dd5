import fc from "fast-check";

/**
 * A tiny model of pipelines that is independent of the engine: the stages, the values that they compute, and the runs
 * that they therefore need. It compares contents where the engine compares digests.
 */
export interface ModelStage {
  readonly name: string;
  readonly kind: "source" | "mix" | "walk" | "deal" | "custom";
  /** Undefined: the kind's default applies. */
  readonly text: string | undefined;
  readonly extra: number | undefined;
  readonly note: string;
  readonly file: "f0" | "f1" | undefined;
  readonly steps: number;
  /** Numbers that are folded into the range of the stages before. */
  readonly reads: readonly number[];
  /** Values of a matrix over `text`. */
  readonly axis: readonly string[] | undefined;
  /** A stage of the same sort that this stage waits for without reading it. */
  readonly needs: number | undefined;
  /** Seed of a mix stage, which replaces the pipeline's seed. */
  readonly seed: number | undefined;
  /** Selects the stage's resources, retries and time limit, which do not affect the result. */
  readonly limits: number;
}

/**
 * The file of all custom stages, with the modules that it imports. Code is compared by what it does, which the literals
 * and their order decide; data files are compared by their text.
 */
export interface ModelCode {
  readonly main: string;
  readonly helper: string;
  /** Imported as JSON. */
  readonly data: string;
  /** Imported while the stage runs. */
  readonly late: string;
  /** True if the module that is imported only for its side effect comes before the helper. */
  readonly effectFirst: boolean;
  /** Name of the helper: with another name, the import finds other code. */
  readonly helperName: string;
  /** Spelling of a number: the engine need not recognise two spellings as the same number. */
  readonly spelling: number;
  readonly seeded: boolean;
  /** True if the code may read the variable of {@linkcode World.variable}. */
  readonly reads: boolean;
  /** Spaces in the data file, which the engine must take for a change. */
  readonly dataSpace: number;
  readonly lateSpace: number;
}

/** Aspects of the file of all custom stages that do not affect results. */
export interface ModelLayout {
  readonly main: number;
  readonly helper: number;
  /** Layout of types, and of a module that contains nothing else. */
  readonly types: number;
  /** The location of the file and its modules. */
  readonly place: "./code.ts" | "./other.ts" | "./lib/code.ts";
}

export interface World {
  readonly stages: readonly ModelStage[];
  readonly seed: number;
  readonly files: Readonly<Record<string, string>>;
  readonly defaultText: string;
  /** Default of a param that was added later, with the legacy value 3; undefined before it was added. */
  readonly extraDefault: number | undefined;
  /** The number of places by which the stages are rotated in the file. */
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
  // Only stages that run in a separate process can be stopped.
  ["    resources: { cpu: 2, memory: 4GiB }", "    timeout: 1h"],
];

const isSingle = (kind: ModelStage["kind"]) => kind === "walk" || kind === "deal";

/** Returns the stages that a stage reads, without those that its port cannot take. */
function sources(world: World, index: number): number[] {
  const { kind, reads } = world.stages[index]!;
  if (index === 0 || kind === "source") return [];
  const all = [...new Set(reads.map((one) => one % index))];
  if (!isSingle(kind)) return all;
  // A single port bound to a matrix would expand the stage, which is left to the tests of matrices.
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

/** Returns the pipeline file. Order, comments, quotes and spaces depend on the style, and have no meaning. */
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
  /** Everything that determines the bytes. */
  readonly recipe: string;
  readonly value: string;
}

function fold(seed: number, texts: readonly string[], text: string): number {
  let value = seed;
  for (const char of texts.join("|") + text) value = (value * 31 + char.charCodeAt(0)) % 1_000_003;
  return text.startsWith("mod") ? value % 2 : value;
}

/** Computes the content that a stage writes. */
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

/** Returns the result of every stage of the pipeline by id; children of a matrix have their own ids. */
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
        // Left out if it equals the value that old code implied.
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

/** The work that a run has to do. */
export interface Due {
  /** Groups of stages with the same key and no result yet: exactly one stage of each group must run. */
  readonly fresh: readonly (readonly string[])[];
  /**
   * Groups of stages whose bytes are gone: one stage that makes them must run, which serves the others if they come
   * later.
   */
  readonly lost: readonly (readonly string[])[];
}

/** The results that were ever computed, and the bytes that still exist. */
export class Memory {
  readonly #values = new Map<string, string>();
  readonly #objects = new Set<string>();

  lose(value: string): void {
    this.#objects.delete(value);
  }

  /** Records a run. */
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
