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
  "rewire",
  "axis-order",
  "axis-value",
  "back",
  "main-code",
  "main-space",
  "helper-code",
  "helper-space",
  "types",
] as const;

/** What is done to the folder and not to the pipeline; these name a stage. */
export const DISTURBANCES = ["delete-output", "modify-output", "delete-object", "force"] as const;

export type EditName = typeof EDITS[number];
export type Disturbance = typeof DISTURBANCES[number];

export interface Edit {
  readonly what: EditName | Disturbance;
  readonly at: number;
  readonly by: number;
}

/** @param code whether the code of custom stages is edited too */
export function edits(code: boolean, maxLength: number): fc.Arbitrary<Edit[]> {
  const names = EDITS.filter((name) => code || !/main|helper|types/.test(name));
  const edit = fc.record({
    what: fc.constantFrom<EditName | Disturbance>(...names, ...DISTURBANCES),
    at: fc.nat({ max: 99 }),
    by: fc.nat({ max: 99 }),
  });
  return fc.array(edit, { minLength: 1, maxLength });
}

const TEXTS = ["a", "b", "moda", "modb", "modc"];
const pick = <T>(from: readonly T[], by: number): T => from[by % from.length]!;

/** The world after an edit. @param past worlds before this one, to go back to */
export function applyEdit(world: World, { what, at, by }: Edit, past: readonly World[]): World {
  const index = at % world.stages.length;
  const stage = world.stages[index]!;
  const withStage = (more: Partial<World["stages"][number]>): World => ({
    ...world,
    stages: world.stages.with(index, { ...stage, ...more }),
  });
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
    case "rewire":
      return withStage({ reads: [by, ...stage.reads.slice(1)] });
    case "axis-order":
      return withStage({ axis: stage.axis?.toReversed() });
    case "axis-value":
      return withStage({ axis: stage.axis === undefined ? undefined : axisWith(stage.axis, pick(TEXTS, by)) });
    case "back":
      return pick([world, ...past], by);
    case "main-code":
      return { ...world, code: { ...world.code, main: pick(["m", "n"], by) } };
    case "main-space":
      return { ...world, code: { ...world.code, mainSpace: by % 2 } };
    case "helper-code":
      return { ...world, code: { ...world.code, helper: pick(["h", "i"], by) } };
    case "helper-space":
      return { ...world, code: { ...world.code, helperSpace: by % 2 } };
    case "types":
      return { ...world, code: { ...world.code, types: by } };
    default:
      return world;
  }
}

function axisWith(axis: readonly string[], value: string): string[] {
  if (!axis.includes(value)) return [...axis, value];
  return axis.length > 1 ? axis.filter((one) => one !== value) : [...axis];
}
