import {
  type CheckpointFacts,
  hasSize,
  type ImageFacts,
  type ImageSize,
  numbersIn,
  readAutoencoderFacts,
  type ScheduleFacts,
  sizeText,
} from "../../artifacts/facts.ts";
import type { CheckProblem, Facts, StageEnd } from "../../engine/contract/stage.ts";
import { BUILTIN_AUTOENCODER } from "../../science/diffusion/autoencoders.ts";
import { VALUE_TYPES } from "../../science/diffusion/normalizer.ts";
import type { InterchangeProblem } from "../../science/diffusion/interchange/problem.ts";
import { isOwn } from "../../schemas/definitions.ts";
import { definedOnly } from "../../std/defined_only.ts";
import { suggestName } from "../../std/did_you_mean.ts";

/** Flattens the results of several checks into a list of problems. */
export function problemsOf(...found: readonly (CheckProblem | readonly CheckProblem[] | false)[]): CheckProblem[] {
  return found.flatMap((one) => one === false ? [] : one);
}

/** True if a problem prevents the stage from running, and is not only a warning. */
export function isError({ severity }: CheckProblem): boolean {
  return severity !== "warning";
}

/** Formats a problem in one line, without its fix. */
export function describeProblem({ message, got, wanted }: Pick<CheckProblem, "message" | "got" | "wanted">): string {
  const details = [got === undefined ? [] : `got ${got}`, wanted === undefined ? [] : `wanted ${wanted}`].flat();
  return details.length === 0 ? message : `${message}: ${details.join(", ")}`;
}

/** Converts a problem that a check could not find before the inputs existed to the end of a run. */
export function failedBy(problem: CheckProblem): StageEnd {
  return definedOnly({ status: "failed" as const, message: describeProblem(problem), fix: problem.fix });
}

/** Converts problems with the code of a definition to the end of a run. */
export function failedCode(file: string, problems: readonly CheckProblem[]): StageEnd {
  const fix = problems.length === 1 ? problems[0]!.fix : undefined;
  // Each problem is a line with its own fix.
  const lines = problems.map((one) => [describeProblem(one), fix === undefined && one.fix].filter(Boolean).join("; "));
  return failedBy({ message: `${file}: ${lines.join(`\n${file}: `)}`, ...definedOnly({ fix }) });
}

/**
 * Reports a problem if a param is above its maximum.
 * @param most the maximum; undefined if unknown
 * @param what describes the maximum, for the message
 */
export function checkMost(
  param: readonly string[],
  value: number,
  most: number | undefined,
  { message, what = "" }: { readonly message: string; readonly what?: string },
): CheckProblem[] {
  if (most === undefined || value <= most) return [];
  const fix = `use ${param.at(-1)}: ${most} or fewer`;
  return [{ param, message, got: `${value}`, wanted: `at most ${most}${what}`, fix }];
}

/**
 * Reports a problem if a batch is larger than the data set: training samples its batches without replacement.
 * @param count undefined if only the run finds out
 */
export function checkBatchSize(batchSize: number, count: number | undefined): CheckProblem[] {
  return checkMost(["batchSize"], batchSize, count, { message: "a batch needs more images than there are" });
}

/** Reports micro-batches of different sizes. */
export function checkMicroBatches(
  { batchSize, microBatches }: Readonly<Record<"batchSize" | "microBatches", number>>,
): CheckProblem[] {
  if (batchSize % microBatches === 0) return [];
  return [{
    param: ["microBatches"],
    message: "micro-batches must divide the batch equally",
    got: `${microBatches} of a batch of ${batchSize}`,
    wanted: `a divisor of ${batchSize}`,
    fix: `use microBatches: ${divisorBelow(batchSize, microBatches)}`,
  }];
}

/** Returns the largest divisor of `whole` up to `limit`. */
function divisorBelow(whole: number, limit: number): number {
  let divisor = Math.min(whole, limit);
  while (whole % divisor !== 0) divisor--;
  return divisor;
}

/** Reports weights that a checkpoint does not have; unknown facts are not checked. */
export function checkWeightsName(
  weights: string,
  checkpoint: Pick<CheckpointFacts, "averages"> | undefined,
): CheckProblem[] {
  const known = ["ema", "raw", ...checkpoint?.averages ?? [weights]];
  if (known.includes(weights)) return [];
  const wanted = known.join(", ");
  const fix = suggestName(weights, known);
  return [{ param: ["weights"], message: "the checkpoint has no weights of this name", got: weights, wanted, fix }];
}

/**
 * Reports a problem with input `port` if its images differ in size from those of `other`; unknown sizes are not
 * checked.
 */
export function checkSameSize(
  port: string,
  images: ImageFacts | undefined,
  other: { readonly name: string; readonly size: ImageFacts | undefined },
): CheckProblem[] {
  if (!hasSize(images) || !hasSize(other.size)) return [];
  const isTyped = images.dtype !== null && other.size.dtype !== null;
  // Before they exist it is not known which encoder makes latents.
  const areMade = images.encoder !== undefined && other.size.encoder !== undefined;
  const textOf = (set: ImageSize & ImageFacts) => {
    const size = sizeText(isTyped ? set : { ...set, dtype: null });
    return areMade && set.encoder ? `${size}, latents of encoder ${set.encoder.slice(0, 12)}` : size;
  };
  const [got, wanted] = [textOf(images), textOf(other.size)];
  if (got === wanted) return [];
  const fix = "use images of the same size and type on both inputs, or latents of the same encoder";
  return [{ input: port, message: `images of another size than ${other.name}`, got, wanted, fix }];
}

/** Reports a problem with input `port` if its labels name other classes than the numbers of `other`'s labels do. */
export function checkSameClasses(
  port: string,
  images: Pick<ImageFacts, "classNames"> | undefined,
  other: { readonly name: string; readonly labels: Pick<ImageFacts, "classes" | "classNames"> | undefined },
): CheckProblem[] {
  const { classes, classNames: wanted } = other.labels ?? {};
  const got = images?.classNames ?? [];
  const at = got.findIndex((name, i) => name.normalize() !== wanted?.[i]?.normalize());
  if (!classes || wanted === undefined || at < 0) return [];
  return [{
    input: port,
    message: `images of other classes than ${other.name}: label ${at}`,
    got: `"${got[at]}"`,
    wanted: wanted[at] === undefined ? `${wanted.length} classes` : `"${wanted[at]}"`,
    fix: "use images with the same class names in the same order",
  }];
}

/** Reports a problem with input `port` if its images are not those that an autoencoder takes; of any size. */
export function checkForm(
  port: string,
  images: ImageFacts | undefined,
  autoencoder: ImageFacts | undefined,
): CheckProblem[] {
  if (images?.channels === undefined || autoencoder?.channels === undefined) return [];
  // Only the run finds out.
  if (images.dtype === null || autoencoder.dtype === null) return [];
  const textOf = ({ channels, dtype = "uint8" }: ImageFacts) => `${channels} channels of ${dtype}`;
  const [got, wanted] = [textOf(images), textOf(autoencoder)];
  const fix = "use images like those that the autoencoder was trained on";
  return got === wanted
    ? []
    : [{ input: port, message: "images of another form than the autoencoder's", got, wanted, fix }];
}

/** Returns the disk that sets of images take whose number and size are known before the run; 0 for others. */
export function diskOf(...sets: readonly ImageFacts[]) {
  const bytesOf = (set: ImageFacts) => numbersIn(set, set.count) * VALUE_TYPES[set.dtype ?? "uint8"].BYTES_PER_ELEMENT;
  return { diskBytes: sets.reduce((sum, set) => sum + bytesOf(set), 0) };
}

/** Reports images that the formats of `filesParam` cannot hold. */
export function checkFiles(files: readonly ("png" | "npz")[] = [], images: ImageFacts): CheckProblem[] {
  const { channels = 0 } = images;
  const dtype = images.dtype ?? "uint8";
  const refuse = (message: string, got: string, fix: string) => ({ param: ["files"], message, got, fix });
  const { diskBytes: bytes } = diskOf(images);
  return problemsOf(
    files.includes("png") && (channels > 4 || dtype === "float32") &&
      refuse("a PNG has up to 4 channels, of integers", `images of ${channels} and ${dtype}`, "use files: [npz]"),
    files.includes("npz") && bytes >= 2 ** 32 &&
      refuse("the images of an npz take less than 4 GiB", `${bytes} bytes`, "use files: [png]"),
  );
}

/** The input of stages that make pictures of what may be latents. */
export const decoderInput = {
  type: "autoencoder",
  description: "That of the images, if they are latents: pictures then show decoded images",
  optional: true,
} as const;

/**
 * Reports a problem with input `port` if its images or samples are no latents that an autoencoder decodes.
 * @param weights those that decode; undefined if any may
 */
export function checkDecoder(
  port: string,
  latents: ImageFacts | undefined,
  inputs: { readonly autoencoder?: Facts | undefined },
  weights?: string,
): CheckProblem[] {
  if (latents === undefined || !("autoencoder" in inputs)) return [];
  const { latent } = latents;
  if (latent === undefined) {
    return [{
      input: port,
      message: "only latents can be decoded",
      got: "images that are no latents",
      wanted: "the output of an encode stage, or samples of a network that was trained on such",
      fix: weights === undefined
        ? "train on the output of an encode stage, or leave out the autoencoder"
        : "remove this stage: its input needs no decoding",
    }];
  }
  const { autoencoder: model, stage, trained, ...images } = readAutoencoderFacts(inputs.autoencoder) ?? {};
  let differ: string[] = [];
  if (trained && stage !== undefined && latent !== true) {
    const by = (name: string) => weights === undefined ? "" : `, ${name} weights`;
    differ = [`stage ${latent.stage}${by(latent.weights)}`, `stage ${stage}${by(weights!)}`];
  } else if (model !== undefined && !isOwn(model) && hasSize(images) && latents.channels !== undefined) {
    differ = [latents.channels, BUILTIN_AUTOENCODER.latentOf(model, images).channels].map((one) => `${one} channels`);
  }
  // Imported ones may have the encoder of another: the run finds out.
  const [got, wanted] = differ.map((one) => `latents of ${one}`) as [string, string];
  const fix = "take the autoencoder of the encode stage, and the same weights";
  return got === wanted
    ? []
    : [{ input: "autoencoder", message: "the autoencoder has other latents", got, wanted, fix }];
}

/** Reports a problem with input `port` if its images are not 8-bit; unknown images are not checked. */
export function checkBytes(
  port: string,
  images: Pick<ImageFacts, "dtype"> | undefined,
  message: string,
): CheckProblem[] {
  const dtype = images?.dtype ?? "uint8";
  if (dtype === "uint8") return [];
  const fix = "leave this out, or make the data set with depth: 8, or of an array of uint8";
  return [{ input: port, message, got: `images of ${dtype}`, wanted: "images of uint8", fix }];
}

/** The least signal for each noise at the end: an error of a thousandth of the predicted noise is one of 1 in x_0. */
const LEAST_END_RATIO = 1e-3;

/**
 * Reports a problem if a network with this objective cannot sample on such a schedule, or can only sample images with a
 * range; unknown facts are not checked.
 */
export function checkPrediction(
  objective: { readonly needsSignal?: unknown },
  schedule: Pick<ScheduleFacts, "zeroTerminalSnr"> & Partial<Pick<ScheduleFacts, "betas" | "endRatio">> | undefined,
  images?: Pick<ImageFacts, "unbounded">,
): (CheckProblem & InterchangeProblem)[] {
  if (objective.needsSignal !== true) return [];
  if (schedule?.zeroTerminalSnr !== true) {
    const { endRatio = 1, betas } = schedule ?? {};
    if (images?.unbounded !== true || endRatio >= LEAST_END_RATIO) return [];
    return [{
      severity: "warning",
      param: ["objective"],
      message:
        "sampling begins by dividing the error of the predicted noise by almost no signal, and these images have " +
        "no range to which the result could be clipped: samples may be noise",
      got: `${endRatio.toExponential(1)} of signal to noise at the last timestep${
        betas === undefined ? "" : ` of ${betas}`
      }`,
      wanted: `at least ${LEAST_END_RATIO}, or a prediction of v or x0`,
      fix: "train with objective: v, or on a schedule that ends with more signal, such as ldm/linear",
    }];
  }
  return [{
    input: "schedule",
    message: "a network that predicts the noise cannot use a schedule that ends in pure noise: the noise at its last " +
      "timestep says nothing about the image, and sampling starts there",
    got: `a signal-to-noise ratio of 0 at the last timestep${
      schedule.betas === undefined ? "" : ` of ${schedule.betas}`
    }`,
    wanted: "some signal at every timestep",
    fix: "train with objective: v or x0, or on a schedule that keeps some signal, as those of the toolkit do without " +
      "zeroTerminalSnr",
  }];
}
