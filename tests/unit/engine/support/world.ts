import fc from "fast-check";

/**
 * A tiny model of pipelines that knows nothing of the engine: what the stages are, what they compute, and what they must
 * therefore be run for. It compares contents where the engine compares digests.
 */
export interface ModelStage {
  readonly name: string;
  readonly kind: "source" | "mix" | "walk" | "custom";
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
  readonly code: {
    readonly main: string;
    readonly mainSpace: number;
    readonly helper: string;
    readonly helperSpace: number;
    readonly types: number;
  };
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
    })),
    seed: 0,
    files: { f0: "x", f1: "y" },
    defaultText: "a",
    extraDefault: undefined,
    shift: 0,
    style: 0,
    code: { main: "m", mainSpace: 0, helper: "h", helperSpace: 0, types: 0 },
  }));
}

/** The stages that a stage reads, without those that its port cannot take. */
function sources(world: World, index: number): number[] {
  const { kind, reads } = world.stages[index]!;
  if (index === 0 || kind === "source") return [];
  const all = [...new Set(reads.map((one) => one % index))];
  if (kind !== "walk") return all;
  // A single port bound to a matrix would expand the walk; that is for the tests of matrices.
  return all.filter((one) => world.stages[one]!.axis === undefined).slice(0, 1);
}

/** The pipeline file. Order, comments, quotes and spaces depend on the style, and mean nothing. */
export function toYaml(world: World): string {
  const { style, stages, shift, extraDefault } = world;
  const odd = style % 2 === 1;
  const blocks = stages.map(({ name, kind, text, extra, note, file, steps, axis }, index) => {
    const params: [string, unknown][] = [];
    if (axis !== undefined) params.push(["text", "${matrix.text}"]);
    else if (text !== undefined) params.push(["text", text]);
    if (kind === "walk") params.push(["steps", steps]);
    if (kind === "source") {
      if (note !== "") params.push(["note", note]);
      if (file !== undefined) params.push(["file", `./${file}.txt`]);
      if (extra !== undefined && extraDefault !== undefined) params.push(["extra", extra]);
    }
    if (odd) params.reverse();
    const withs = params.map(([key, value]) => `${key}: ${JSON.stringify(value)}`).join(odd ? ",   " : ", ");
    const from = sources(world, index).map((one) => stages[one]!.name);
    const lines = [
      `    uses: ${kind === "custom" ? "./code.ts" : kind}`,
      `    with: { ${withs} }${style % 3 === 1 ? "  # a remark" : ""}`,
      ...(from.length === 0 ? [] : [`    inputs: { from: ${kind === "walk" ? from[0] : `[${from.join(", ")}]`} }`]),
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

function compute(seed: number, steps: number, texts: readonly string[], text: string): string {
  let value = seed + steps;
  for (const char of texts.join("|") + text) value = (value * 31 + char.charCodeAt(0)) % 1_000_003;
  return `${text.startsWith("mod") ? value % 2 : value}\n`;
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
      const { types: _types, ...code } = world.code;
      const recipe = JSON.stringify({
        kind,
        text,
        steps: kind === "walk" ? steps : null,
        seed: kind === "mix" ? world.seed : null,
        file: kind === "source" && file !== undefined ? world.files[file] : null,
        // Left out where it equals what old code implied.
        extra: kind === "source" && wanted !== 3 ? wanted : null,
        code: kind === "custom" ? code : null,
        inputs,
      });
      const value = kind === "custom"
        ? `${world.code.main}${world.code.helper}${compute(0, 0, inputs, text)}`
        : compute(kind === "mix" ? world.seed : 0, kind === "walk" ? steps : 0, inputs, text);
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
