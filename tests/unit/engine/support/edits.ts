import fc from "fast-check";
import type { World } from "./world.ts";

export const EDITS = [
  "rename",
  "reorder",
  "style",
  "text",
  "default-text",
  "legacy-param",
  "legacy-default",
  "extra",
  "execution-param",
  "seed",
  "file-content",
  "file-path",
  "steps",
  "drop-input",
  "toWholeIds",
  "axis-order",
  "axis-value",
  "needs",
  "own-seed",
  "limits",
  "shards",
  "back",
  "code-main",
  "code-helper",
  "code-data",
  "code-late",
  "code-order",
  "code-helper-name",
  "code-spelling",
  "code-seeded",
  "code-reads",
  "code-data-space",
  "code-late-space",
  "code-variable",
  "layout-main",
  "layout-helper",
  "layout-types",
  "layout-place",
] as const;

/** Changes of the folder rather than the pipeline; each names a stage. */
export const DISTURBANCES = ["delete-output", "modify-output", "delete-object", "force"] as const;

export type EditName = typeof EDITS[number];
export type Disturbance = typeof DISTURBANCES[number];

export interface Edit {
  readonly what: EditName | Disturbance;
  readonly at: number;
  readonly by: number;
}

/** Edits after which nothing has to be done. */
export const MEANINGLESS: readonly EditName[] = [
  "rename",
  "reorder",
  "style",
  "execution-param",
  "axis-order",
  "needs",
  "limits",
  "shards",
  "layout-main",
  "layout-helper",
  "layout-types",
  "layout-place",
];

/** @param code true if the code of custom stages is edited too */
export function edits(code: boolean, maxLength: number): fc.Arbitrary<Edit[]> {
  const names = EDITS.filter((name) => code || !/^(code|layout)-/.test(name));
  const edit = fc.record({
    what: fc.constantFrom<EditName | Disturbance>(...names, ...DISTURBANCES),
    at: fc.nat({ max: 99 }),
    by: fc.nat({ max: 99 }),
  });
  return fc.array(edit, { minLength: 1, maxLength });
}

const TEXTS = ["a", "b", "moda", "modb", "modc"];
const pick = <T>(from: readonly T[], by: number): T => from[by % from.length]!;

/**
 * Returns the world after an edit.
 * @param past worlds before this one, to go back to
 */
export function applyEdit(world: World, { what, at, by }: Edit, past: readonly World[]): World {
  const index = at % world.stages.length;
  const stage = world.stages[index]!;
  const withStage = (more: Partial<World["stages"][number]>): World => ({
    ...world,
    stages: world.stages.with(index, { ...stage, ...more }),
  });
  const withCode = (more: Partial<World["code"]>): World => ({ ...world, code: { ...world.code, ...more } });
  switch (what) {
    case "rename":
      return withStage({ name: `${stage.name.replace(/_.*/, "")}_${by}` });
    case "reorder":
      return { ...world, shift: world.shift + 1 + by };
    case "style":
      return { ...world, style: by };
    case "text":
      return withStage({ text: by % 3 === 0 ? undefined : pick(TEXTS, by) });
    case "default-text":
      return { ...world, defaultText: pick(TEXTS, by) };
    case "legacy-param":
      return { ...world, extraDefault: world.extraDefault === undefined ? 3 : undefined };
    case "legacy-default":
      return { ...world, extraDefault: world.extraDefault === undefined ? undefined : by % 3 + 2 };
    case "extra":
      return withStage({ extra: pick([undefined, 3, 4], by) });
    case "execution-param":
      return withStage({ note: `${by}` });
    case "seed":
      return { ...world, seed: by % 2 };
    case "file-content":
      return { ...world, files: { ...world.files, [pick(["f0", "f1"], at)]: pick(["x", "y"], by) } };
    case "file-path":
      return withStage({ file: pick([undefined, "f0", "f1"], by) });
    case "steps":
      return withStage({ steps: 1 + by % 3 });
    case "drop-input":
      return withStage({ reads: stage.reads.slice(1) });
    case "toWholeIds":
      return withStage({ reads: [by, ...stage.reads.slice(1)] });
    case "axis-order":
      return withStage({ axis: stage.axis?.toReversed() });
    case "axis-value":
      return withStage({ axis: stage.axis === undefined ? undefined : axisWith(stage.axis, pick(TEXTS, by)) });
    case "back":
      return pick([world, ...past], by);
    case "needs":
      return withStage({ needs: pick([undefined, by], at) });
    case "own-seed":
      return withStage({ seed: pick([undefined, 0, 1], by) });
    case "limits":
      return withStage({ limits: by });
    case "shards":
      return { ...world, shards: 1 + by % 3 };
    case "code-main":
      return withCode({ main: pick(["m", "n"], by) });
    case "code-helper":
      return withCode({ helper: pick(["h", "i"], by) });
    case "code-data":
      return withCode({ data: pick(["d", "f"], by) });
    case "code-late":
      return withCode({ late: pick(["l", "k"], by) });
    case "code-order":
      return withCode({ effectFirst: by % 2 === 1 });
    case "code-helper-name":
      return withCode({ helperName: pick(["helper", "assistant"], by) });
    case "code-spelling":
      return withCode({ spelling: by % 2 });
    case "code-seeded":
      return withCode({ seeded: by % 2 === 1 });
    case "code-reads":
      return withCode({ reads: by % 2 === 1 });
    case "code-data-space":
      return withCode({ dataSpace: by % 2 });
    case "code-late-space":
      return withCode({ lateSpace: by % 2 });
    case "code-variable":
      return { ...world, variable: pick(["v", "w"], by) };
    case "layout-main":
      return { ...world, layout: { ...world.layout, main: by } };
    case "layout-helper":
      return { ...world, layout: { ...world.layout, helper: by } };
    case "layout-types":
      return { ...world, layout: { ...world.layout, types: by } };
    case "layout-place":
      return { ...world, layout: { ...world.layout, place: pick(["./code.ts", "./other.ts", "./lib/code.ts"], by) } };
    default:
      return world;
  }
}

function axisWith(axis: readonly string[], value: string): string[] {
  if (!axis.includes(value)) return [...axis, value];
  return axis.length > 1 ? axis.filter((one) => one !== value) : [...axis];
}
