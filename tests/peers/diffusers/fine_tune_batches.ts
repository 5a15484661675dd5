/**
 * Writes the batches of the first twenty steps of a `train` stage, for fine_tune.py.
 *
 *     deno run -A tests/peers/diffusers/fine_tune_batches.ts FOLDER
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { join } from "node:path";
import { openImages } from "../../../artifacts/image_files.ts";
import type { InputArtifact } from "../../../engine/contract/stage.ts";
import { chainPath } from "../../../science/diffusion/path.ts";
import { makeBetas } from "../../../science/diffusion/schedule/betas.ts";
import { makeTables } from "../../../science/diffusion/schedule/tables.ts";
import { encodeSafetensors } from "../../../science/formats/safetensors.ts";
import { makeBatches } from "../../../stages/train/batches.ts";
import { objectiveNamed } from "../../support/objectives.ts";
import { smallImages, withFolder } from "../../unit/stages/small_world.ts";

export const STEPS = 20;
export const BATCH = 4;
const SHAPE = [STEPS, BATCH, 1, 8, 8];

/** Returns the batches of all steps as a file, images with channels first, of which they have one. */
export async function encodeBatches(images: InputArtifact): Promise<Uint8Array> {
  const path = chainPath(makeTables(makeBetas({ name: "ho/linear", timesteps: 1000 })));
  const batch = makeBatches(await openImages(images), {
    batchSize: BATCH,
    seed: 0,
    objective: objectiveNamed("eps"),
    path,
  });
  const steps = Array.from({ length: STEPS }, (_, i) => {
    const { x0, t, noise } = batch.at(i + 1);
    return { x0: x0!.slice(), t: t!.slice(), noise: noise!.slice() };
  });
  const all = (name: "x0" | "noise") => Float32Array.from(steps.flatMap((one) => [...one[name]]));
  const parts = encodeSafetensors({
    tensors: {
      x0: { shape: SHAPE, data: all("x0") },
      t: { shape: [STEPS, BATCH], data: Int32Array.from(steps.flatMap(({ t }) => [...t])) },
      noise: { shape: SHAPE, data: all("noise") },
    },
  });
  return new Uint8Array(Buffer.concat(parts));
}

if (import.meta.main) {
  await withFolder(async (folder) => {
    const { train } = await smallImages(folder);
    await Deno.writeFile(join(Deno.args[0]!, "batches.safetensors"), await encodeBatches(train));
  });
}
