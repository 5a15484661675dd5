import { z } from "zod";
import { execution, legacy, type Schema } from "../../schemas/roles.ts";
import { DEVICE_NAMES } from "../../science/tensor/devices.ts";

/** The device to compute on. `auto` chooses the best that this machine has. */
export const deviceParam = () =>
  execution(
    z.enum(DEVICE_NAMES, { error: explainDevice }).default("auto").describe(
      "Device to compute on. Not part of the key; devices round differently",
    ),
  );

const explainDevice = ({ input }: { readonly input?: unknown }) =>
  input === "tensorflow"
    ? "another device: tensorflow, on the CPU, is gone, since onnx takes 0.4 of its time; what it computed stays"
    : undefined;

/** For kinds that compute with a network. Older results are of float32, and keep their keys. */
export const precisionParam = () =>
  legacy(
    z.enum(["fp32", "bf16"]).default("fp32").describe(
      "Rounding of convolutions, products and attention; all else is float32. bf16: on device torch alone, where the " +
        "processor has instructions for it",
    ),
    "fp32",
  );

export const threadsParam = () =>
  execution(
    z.int().min(1).max(1024).optional().describe(
      "Threads; default: all cores. Not part of the key; another number may round differently",
    ),
  );

/**
 * Params of kinds that compute for long. A kill loses at most the work since the last save, once a step or batch is
 * finished after the interval.
 */
export const longRunningParams = () => ({
  saveEverySeconds: execution(
    z.number().min(0).max(86_400).default(600).describe("Save for resuming at least this often, in seconds"),
  ),
  device: deviceParam(),
  threads: threadsParam(),
});

/** Returns all params that a pipeline may give to a custom stage, including those that the toolkit adds. */
export function allParams(stage: { readonly params: Schema; readonly device?: boolean }): z.ZodObject {
  const params = stage.params as z.ZodObject;
  return stage.device === true ? params.safeExtend({ device: deviceParam(), threads: threadsParam() }) : params;
}

/** Name of one of a training's further averages. */
export const AVERAGE_NAME: RegExp = /^(?!(?:raw|ema)$)[a-z][a-z0-9_-]{0,31}$/;

export const weightsParam = () =>
  z.union([z.enum(["ema", "raw"]), z.string().regex(AVERAGE_NAME)], {
    error: "ema, raw, or the name of one of the training's other averages",
  }).default("ema").describe("Weights of the checkpoint to use: averaged (ema), raw, or another average by its name");

/** Further formats of the images of a stage. No default: older results have none, and keep their keys. */
export const filesParam = () =>
  z.array(z.enum(["png", "npz"])).max(2).optional().describe(
    "Also write the images for other programs: images/000000.png and so on, of 8 or 16 bits, or samples.npz with " +
      "arr_0 [N, H, W, C], of their own type",
  );

export const address = z.url({ protocol: /^https?$/, error: "an http or https address" }).refine(
  (url) => !URL.parse(url)?.username && !URL.parse(url)?.password,
  "an address without user or password, since addresses are written into records; or path",
);
export const sha256 = z.string().regex(/^[0-9a-f]{64}$/, "a SHA-256: 64 hexadecimal digits, lower case");

/** Resize modes for the 2015-12-05 Inception network: `RESIZES` in metrics; a test checks that the two agree. */
export const resizeParam = () => z.enum(["tensorflow", "pytorch-fid", "clean-fid"]).optional();

export const positiveInt = (max: number) => z.int().min(1).max(max);
