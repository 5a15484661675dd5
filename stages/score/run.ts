import { writeMetrics } from "../../artifacts/metrics.ts";
import { CovarianceError } from "../../science/metrics/frechet.ts";
import { definedOnly } from "../../std/defined_only.ts";
import { openFloat64Products } from "../../science/tensor/onnx/products.ts";
import { runOf } from "../shared/run_of.ts";
import { openSet, scoreSets } from "./figures.ts";
import { scoreKind } from "./kind.ts";
import { reconstructionScores } from "./reconstruction.ts";

/** Progress is reported in percent of each score. */
const PARTS = 100;

export default runOf(scoreKind, async ({ params, seed, inputs, outputs, report, note }) => {
  using opened = new DisposableStack();
  const real = await openSet(inputs.real, opened);
  const fake = await openSet(inputs.fake, opened, real);
  try {
    const [size, wanted] = [fake.extractor.dimension, real.extractor.dimension];
    if (size !== wanted) {
      return {
        status: "failed",
        message:
          `the fake set has ${size} features an image, and the real one ${wanted}, both of ${real.extractor.name}`,
        fix: "a file of mu and sigma holds features of another kind: correct its extractor",
      };
    }
    await using products = openFloat64Products(params);
    const onProgress = (figure: string, share: number) =>
      report({ done: Math.round(PARTS * share), total: PARTS, unit: "percent", figures: { of: figure } });
    let noClass: string | undefined;
    const onNoClass = (why: string) => void (noClass = why);
    const metrics = await scoreSets({ real, fake }, { params, seed, products, onProgress, onNoClass });
    if (params.reconstruction) metrics.push(...await reconstructionScores(inputs.real, inputs.fake));
    if (metrics.length === 0) {
      const fix = "use images of the same classes, more of them, or fd: true";
      return { status: "failed", message: noClass ?? "no score is requested", fix };
    }
    if (noClass !== undefined) note(noClass);
    const { name, dimension, sha256, preprocessing } = real.extractor;
    await writeMetrics(outputs.metrics, {
      // The seed matters only for random subsets, resamples and directions.
      seed: params.kid || params.bootstrap > 0 || params.fdInfinity || real.points && fake.points ? seed : null,
      features: definedOnly({
        name,
        dimension,
        sha256: sha256 ?? undefined,
        preprocessing: Object.keys(preprocessing).length === 0 ? undefined : preprocessing,
      }),
      images: definedOnly({ real: real.images, fake: fake.images }),
      metrics,
    });
    return undefined;
  } catch (error) {
    if (!(error instanceof CovarianceError)) throw error;
    return { status: "failed", message: error.message, fix: "correct the file that the statistics come from" };
  }
});
