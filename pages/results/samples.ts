import { GUEST_KINDS, type ResultManifest } from "noiseline/engine";

type Line = Readonly<{ id: string; kind: string; reads: readonly string[]; params?: LineParams }>;
type LineParams = readonly { readonly path: string; readonly value: unknown }[];

/** Inputs of built-in kinds that take samples; whatever else reads images learns from them, or compares with them. */
const TAKES_SAMPLES: Readonly<Record<string, readonly string[]>> = {
  ...{ score: ["fake"], features: ["images"], neighbours: ["samples"], decode: ["samples"] },
  select: ["candidates", "metrics"],
};
/** Types of what a stage makes that only measures or draws images. */
const MEASURED: ReadonlySet<string> = new Set(["metrics", "features", "statistics", "selection", "picture", "log"]);

/**
 * Finds the results whose images are samples, though their type is `images`: those of the user's own stages and
 * programs, unless another stage makes something of the images, such as a network that it trains on them, or compares
 * other images with them. If that is so for one output of a stage, it holds for all of them: a stage that makes a
 * training set makes the held-out set too. Built-in kinds say by the type `samples` what samples are.
 * @param found a result for each stage, if it has one
 * @param lines the stages as planned: who will read the images
 */
export function samplesIn(
  found: Iterable<readonly [string, ResultManifest | undefined]>,
  lines: readonly Line[] = [],
): ReadonlySet<ResultManifest> {
  const made = new Map([...found].flatMap(([id, one]) => one === undefined ? [] : [[id, one] as const]));
  const data = new Set<string>();
  for (const { ingredients: { kind, inputs }, outputs } of made.values()) {
    if (GUEST_KINDS.has(kind) && Object.values(outputs).every(({ type }) => MEASURED.has(type))) continue;
    for (const [port, digests] of Object.entries(inputs)) {
      if (TAKES_SAMPLES[kind]?.includes(port) !== true) digests.forEach((one) => data.add(one));
    }
  }
  const waiting = lines.filter((one) => !made.has(one.id) && !(one.kind in TAKES_SAMPLES) && !measures(one));
  const read = new Set(waiting.flatMap(({ reads }) => reads));
  return new Set(
    Array.from(made).filter(([id, { ingredients, outputs }]) => {
      const sets = Object.values(outputs).filter(({ type }) => type === "images");
      return GUEST_KINDS.has(ingredients.kind) && !read.has(id) && sets.every(({ digest }) => !data.has(digest));
    }).map(([, manifest]) => manifest),
  );
}

/** Returns true for a program that declares only outputs by which it measures or draws. */
function measures({ params = [] }: Line): boolean {
  const outputs = params.filter(({ path }) => path.startsWith("with.outputs."));
  return outputs.length > 0 && outputs.every(({ value }) => MEASURED.has(String(value)));
}
