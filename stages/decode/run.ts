import { readDecoder } from "../../artifacts/autoencoder.ts";
import { openImages, openImagesWriter } from "../../artifacts/image_files.ts";
import { classNamesOf } from "../../artifacts/labels.ts";
import type { ContextOf } from "../../engine/contract/stage.ts";
import { range } from "../../science/metrics/vectors.ts";
import { definedOnly } from "../../std/defined_only.ts";
import { openView } from "../shared/coder.ts";
import { inPartsOnDevice } from "../shared/parts.ts";
import { runOf } from "../shared/run_of.ts";
import { decodeKind } from "./kind.ts";

type Context = ContextOf<typeof decodeKind>;

export default runOf(decodeKind, async (context: Context) => {
  const { params, inputs, outputs, definitions, report } = context;
  using latents = await openImages(inputs.samples);
  const stored = await readDecoder(inputs.autoencoder, latents.encoder, definitions, [params.weights]);
  const { form, config } = stored;
  const { info, labels } = latents;
  const { count, classes } = info;
  const sizes = stored.imagesOf(info);
  const batchSize = Math.min(params.batchSize, count);
  return await inPartsOnDevice(context, { count, batchSize }, async (device) => {
    const { show } = await openView(stored, sizes, { device, batchSize }, "round");
    return {
      async compute({ first, count, done, total }) {
        const pixels = await show([latents.rows(range(first, count))]);
        report({ done: done + count, total, unit: "image" });
        return { pixels };
      },
    };
  }, async (batches) => {
    const source = {
      name: "decode",
      ...definedOnly({ classNames: classNamesOf(info.source) }),
      of: { digest: inputs.samples.digest, source: info.source },
      autoencoder: { digest: inputs.autoencoder.digest, weights: params.weights, step: config.step },
    };
    using writer = openImagesWriter(
      outputs.samples,
      { ...sizes, ...form, count, classes, source },
      "grid.png",
      params.files,
    );
    for await (const { first, count, rows: { pixels } } of batches) {
      await writer.add(pixels, labels?.subarray(first, first + count));
    }
    await writer.finish();
  });
});
