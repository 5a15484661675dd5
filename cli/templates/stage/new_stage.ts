import { defineStage } from "noiseline";
import { z } from "zod";

/** What this stage reads of images.json, which lies in every artifact of images. */
const infoSchema = z.object({
  count: z.int(),
  height: z.int(),
  width: z.int(),
  channels: z.int(),
});

export default defineStage({
  summary: "Count the values of a set of images",
  params: z.strictObject({
    scale: z.number().positive().default(1).describe("Factor of the count"),
  }),
  inputs: {
    images: { type: "images", description: "Images to count" },
  },
  outputs: {
    out: { type: "files", description: "counts.json" },
  },
  async run({ params, inputs, outputs, report }) {
    const text = await inputs.images.readText("images.json");
    const { count, height, width, channels } = infoSchema.parse(
      JSON.parse(text),
    );
    if (count === 0) {
      // Returned, not thrown: a throw is a bug in the stage.
      return { status: "failed", message: "there are no images" };
    }
    const values = count * height * width * channels * params.scale;
    report({ done: count, total: count, unit: "image" });
    await outputs.out.write(
      "counts.json",
      `${JSON.stringify({ count, values })}\n`,
    );
    return undefined;
  },
});
