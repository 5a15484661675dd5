import type { CheckProblem } from "../../engine/contract/stage.ts";
import { type ChosenAugmentation, conditionsOf } from "../../science/diffusion/augmentations.ts";
import type { AugmentationRandom, ImageSizes } from "../../science/diffusion/define.ts";
import { type RandomStream, randomStream } from "../../science/tensor/random/stream.ts";
import { describeProblem } from "./checks.ts";

/** Thrown if an augmentation breaks its contract. Ends the stage, and is not a bug of the toolkit. */
export class AugmentationError extends Error {
  constructor({ uses }: Pick<ChosenAugmentation, "uses">, readonly problem: Pick<CheckProblem, "message" | "fix">) {
    super(uses === undefined ? describeProblem(problem) : `${uses}: ${describeProblem(problem)}`);
  }
}

export type Augmenter = ReturnType<typeof makeAugmenter>;

/**
 * Prepares an augmentation for images of one size. What happens to an image is a pure function of the seed, the step,
 * and the image's place in the batch.
 */
export function makeAugmenter(
  chosen: ChosenAugmentation,
  { height, width, channels }: ImageSizes,
  seed: number,
) {
  const { definition, params } = chosen;
  const stream = randomStream({ seed, stream: "train/augment" });
  const conditions = conditionsOf(chosen);
  const checked = (what: string, got: unknown, length: number) => {
    const array = got as ArrayLike<number> | undefined;
    const given = array?.length ?? typeof got;
    const bad = Array.prototype.find.call(array ?? [], (value) => !Number.isFinite(value));
    if (given === length && bad === undefined) return array!;
    const problem = bad === undefined
      ? { got: `${given} numbers`, wanted: `${length}` }
      : { got: `${bad}`, wanted: "finite numbers" };
    throw new AugmentationError(chosen, { message: `the ${what} that augment returns`, ...problem });
  };
  return {
    conditions,
    /** Changes an image, [H, W, C] row-major, in place. @returns the vector that the network is told */
    apply(image: Float32Array<ArrayBuffer>, step: number, index: number): ArrayLike<number> {
      const random = randomOf(stream, step, index);
      const given = { image: image.slice(), height, width, channels, random };
      const made: Partial<ReturnType<typeof definition.augment>> | undefined = definition.augment(
        given,
        params as never,
      );
      const { image: changed, condition = [] } = made ?? {};
      image.set(checked("image", changed, image.length));
      return checked("condition", condition, conditions);
    },
  };
}

/** An image's numbers at one step begin at a multiple of this. */
const NUMBERS = 2 ** 24;
const CHUNK = 32;

function randomOf(stream: RandomStream, step: number, index: number): AugmentationRandom {
  const next = (kind: "uniform" | "normal") => {
    let [chunk, count] = [new Float32Array(0), 0];
    return () => {
      if (count >= NUMBERS) throw new RangeError(`An augmentation may draw ${NUMBERS} numbers for an image`);
      if (count % CHUNK === 0) chunk = stream[kind](step, CHUNK, { offset: index * NUMBERS + count });
      return chunk[count++ % CHUNK]!;
    };
  };
  const uniform = next("uniform");
  return { uniform, normal: next("normal"), integer: (bound) => Math.floor(uniform() * bound) };
}
