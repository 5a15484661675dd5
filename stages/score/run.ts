import { CovarianceError } from "../../metrics/frechet.ts";
import type { RunOf } from "../../contract/stage.ts";
import { failedBy, isError } from "../shared/failed.ts";
import { writeMetrics } from "../../artifacts/metrics.ts";
import { withProducts } from "../shared/products.ts";
import { checkFigures, checkScored, checkSets, type SetFacts } from "./check.ts";
import { scoreSets } from "./figures.ts";
import type { scoreKind } from "./kind.ts";
import { openSet, type ScoredSet } from "./sets.ts";

/** Progress is reported in hundredths of each figure. */
const PARTS = 100;

const run: RunOf<typeof scoreKind> = async ({ params, seed, inputs, outputs, report }) => {
  const [real, fake] = [await openSet(inputs.real), await openSet(inputs.fake)];
  try {
    const problem = checkSets({ real: factsOf(real, inputs.real.type), fake: factsOf(fake, inputs.fake.type) })
      .concat(checkFigures(params), checkScored(params, { real, fake }))
      .find(isError);
    if (problem !== undefined) return failedBy(problem);

    const metrics = await withProducts(params.threads, (products) => {
      const onProgress = (figure: string, share: number) =>
        report({ done: Math.round(PARTS * share), total: PARTS, unit: figure });
      return scoreSets({ real, fake }, { params, seed, products, onProgress });
    });
    if (metrics.length === 0) {
      return { status: "failed", message: "no label has two images in both sets", fix: "use more images, or fd: true" };
    }
    const { name, dimension, sha256, preprocessing } = real.extractor;
    await writeMetrics(outputs.metrics, {
      // Of the draws of subsets and resamples.
      seed: params.kid === undefined && params.bootstrap === 0 && !params.fdInfinity ? null : seed,
      features: {
        name,
        dimension,
        ...(sha256 === null ? {} : { sha256 }),
        ...(Object.keys(preprocessing).length === 0 ? {} : { preprocessing }),
      },
      images: {
        ...(real.images === undefined ? {} : { real: real.images }),
        ...(fake.images === undefined ? {} : { fake: fake.images }),
      },
      metrics,
    });
    return undefined;
  } catch (error) {
    if (!(error instanceof CovarianceError)) throw error;
    return { status: "failed", message: error.message, fix: "correct the file that the statistics come from" };
  } finally {
    real.close();
    fake.close();
  }
};

export default run;

/** Images must be of one size; features of images of two sizes compare if their extractor takes both. */
function factsOf({ images, count, extractor }: ScoredSet, type: string): SetFacts {
  const facts = { count, extractor: extractor.name, resize: extractor.preprocessing["resize"] };
  if (images === undefined || type === "features" || type === "statistics") return facts;
  const { height, width, channels } = images;
  return { ...facts, height, width, channels };
}
