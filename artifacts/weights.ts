import { z } from "zod";
import type { InputArtifact, OutputArtifact } from "../engine/contract/stage.ts";
import type { Shapes } from "../science/diffusion/misfits.ts";
import { type NamedArrays, type Network, unpackParameters } from "../science/diffusion/network.ts";
import { formRecord } from "../science/diffusion/normalizer.ts";
import { refuse } from "../science/formats/format_error.ts";
import { decodeSafetensors, encodeSafetensors, floatsOf } from "../science/formats/safetensors.ts";
import { checkWeights, readBytes } from "./record.ts";

/** The record of a training's averages. The raw weights and each average have a file of their own. */
export const averagesRecord = z.strictObject({
  decay: z.number(),
  warmup: z.boolean(),
  /** Decays of further averages by name, which have a file each. */
  others: z.record(z.string(), z.number()).exactOptional(),
});

const size = z.int().min(1);

/** The record of the images that weights were trained on. */
export const imagesRecord = z.strictObject({
  height: size,
  width: size,
  channels: size,
  ...formRecord,
  source: z.record(z.string(), z.unknown()),
});

type Layout = Pick<Network, "parameters" | "count">;

/** Flat parameter vectors [P] by name: `raw`, `ema` and further averages. */
type WeightVectors = Readonly<Record<string, Float32Array>>;

/** Returns the file of raw or averaged weights. */
export function weightFile(weights: string): string {
  if (weights === "raw") return "weights.safetensors";
  return weights === "ema" ? "ema.safetensors" : `ema-${weights}.safetensors`;
}

/** Returns the names of an artifact's weights. */
export function weightNames({ ema }: { readonly ema: z.output<typeof averagesRecord> }): string[] {
  return ["raw", "ema", ...Object.keys(ema.others ?? {})];
}

/** @throws FormatError for weights that are not finite */
export async function writeWeights(output: OutputArtifact, layout: Layout, weights: WeightVectors): Promise<void> {
  for (const [name, flat] of Object.entries(weights)) {
    checkWeights(weightFile(name), flat);
    const named = unpackParameters(flat, layout);
    const tensors = Object.fromEntries(
      layout.parameters.map(({ name, shape }) => [name, { shape, data: named[name]! }]),
    );
    await output.write(weightFile(name), encodeSafetensors({ tensors }));
  }
}

/**
 * Reads weights by name, with their shapes.
 *
 * @param parameters P @throws FormatError for another number of them, and for weights that are not finite
 */
export async function readWeights(
  artifact: InputArtifact,
  weights: string,
  parameters: number,
): Promise<{ readonly named: NamedArrays; readonly shapes: Shapes }> {
  const file = weightFile(weights);
  const { tensors } = decodeSafetensors(await readBytes(artifact, file));
  const named: NamedArrays = Object.create(null);
  for (const [name, tensor] of Object.entries(tensors)) {
    named[name] = floatsOf(`${file}, ${name}`, tensor);
    checkWeights(`${file}, ${name}`, named[name]);
  }
  const count = Object.values(named).reduce((sum, { length }) => sum + length, 0);
  if (count !== parameters) refuse(file, `${count} numbers`, `${parameters}`);
  return { named, shapes: new Map(Object.entries(tensors).map(([name, { shape }]) => [name, shape])) };
}
