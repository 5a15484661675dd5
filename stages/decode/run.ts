import { readAutoencoder } from "../../artifacts/autoencoder.ts";
import { openImages, openImagesWriter } from "../../artifacts/image_files.ts";
import { classNamesOf } from "../../artifacts/labels.ts";
import type { ContextOf } from "../../contract/stage.ts";
import { denormalize } from "../../diffusion/normalizer.ts";
import { range } from "../../metrics/vectors.ts";
import { definedOnly } from "../../std/defined_only.ts";
import { bindDecoder } from "../shared/coder.ts";
import { inPartsOnDevice } from "../shared/parts.ts";
import { runOf } from "../shared/run_of.ts";
import { decodeKind } from "./kind.ts";

type Context = ContextOf<typeof decodeKind>;

export default runOf(decodeKind, async (context: Context) => {
  const { params, inputs, outputs, definitions, report } = context;
  using latents = await openImages(inputs.samples);
  const stored = await readAutoencoder(inputs.autoencoder, params.weights, definitions);
  const { form, encoder, config } = stored;
  const { info, labels } = latents;
  if (latents.encoder !== encoder) {
    const got = latents.encoder === undefined ? "images that are no latents" : `latents of encoder ${latents.encoder}`;
    return {
      status: "failed",
      message: `the autoencoder cannot decode these: got ${got}, wanted latents of encoder ${encoder}`,
      fix: "decode with the autoencoder of the encode stage, and the same weights, or one with the same encoder",
    };
  }
  const { count, classes } = info;
  const sizes = stored.imagesOf(info);
  const batchSize = Math.min(params.batchSize, count);
  const z = new Float32Array(batchSize * latents.size);
  return await inPartsOnDevice(context, { count, batchSize }, async (device) => {
    const { decode } = await bindDecoder(stored, sizes, { device, batchSize });
    return {
      async compute({ first, count, done, total }) {
        z.set(latents.rows(range(first, count)));
        const x = await decode(z);
        report({ done: done + count, total, unit: "image" });
        return { pixels: denormalize(x.subarray(0, count * (x.length / batchSize)), form) };
      },
    };
  }, async (batches) => {
    const source = {
      name: "decode",
      ...definedOnly({ classNames: classNamesOf(info.source) }),
      of: { digest: inputs.samples.digest, source: info.source },
      autoencoder: { digest: inputs.autoencoder.digest, weights: params.weights, step: config.step },
    };
    using writer = openImagesWriter(outputs.samples, { ...sizes, ...form, count, classes, source }, "grid.png");
    for await (const { first, count, rows: { pixels } } of batches) {
      await writer.add(pixels, labels?.subarray(first, first + count));
    }
    await writer.finish();
  });
});
