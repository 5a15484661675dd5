import { z } from "zod";
import { externalFile } from "../../schemas/roles.ts";

/** Params of kind `import`. */
export const importParams = z.strictObject({
  format: z.literal("diffusers").describe("A saved DDPMPipeline of diffusers with safetensors weights"),
  path: externalFile(z.string().min(1).describe("The folder. Its content is in the key")),
});
