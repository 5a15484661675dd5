import process from "node:process";
import type { KnownWork } from "../../schemas/device.ts";
import { cpuFlags, instructionClass } from "./numerics.ts";

/**
 * Training steps that took clearly less processor time on `torch` than on `onnx`, in turns on one thread of an Intel
 * processor with AVX-512: height of the images, mean number of channels of the U-Net's levels, share. Of the trainings
 * measured (docs/performance.md), those of wider networks or smaller images were not faster, nor was any prediction.
 */
const FASTER = [[24, 54, 0.86], [28, 54, 0.89], [32, 48, 0.8], [64, 56, 0.77]] as const;

/**
 * Returns the reason why a stage should rather compute on `torch` than on `onnx`; undefined if it should not. Work that
 * has begun goes on where it began. A training counts as a measured one if its network is no wider and its images are
 * no smaller.
 */
export function reasonForTorch(
  { workShape: [squaredChannels = 0, height = 0] = [], trains = false, saved = [] }: KnownWork,
  kernels = instructionClass(process.arch, cpuFlags()),
): string | undefined {
  const [onTorch, onOnnx] = ["torch", "onnx"].map((name) => saved.some((one) => one.startsWith(`${name}-cpu`)));
  if (onTorch !== onOnnx) return onTorch ? "the stage has begun on it" : undefined;
  const alike = FASTER.filter(([least, channels]) => height >= least && squaredChannels <= channels ** 2);
  if (!trains || kernels !== "x86-avx512" || alike.length === 0) return undefined;
  return `steps of such a training took ${Math.max(...alike.map(([, , share]) => share))} of their time on onnx`;
}
