import { hasSize, type ImageFacts, readImageFacts, unitsText } from "../../artifacts/facts.ts";
import { type CheckProblem, defineKind, type Facts } from "../../engine/contract/stage.ts";
import { LEAST_SSIM_SIDE } from "../../science/metrics/similarity.ts";
import { checkMost, checkSameSize, problemsOf } from "../shared/checks.ts";
import { findStageDevice } from "../shared/device.ts";
import { INCEPTION, isInceptionArchitecture } from "../shared/inception.ts";
import { isOfVectors, type ScoreParams, scoreParams, VECTOR_SCORES } from "./params.ts";

export const scoreKind = defineKind({
  kind: "score",
  version: 8,
  // Classes are matched by name.
  revision: ({ perClass }) => perClass ? 1 : undefined,
  entry: import.meta.resolve("./run.ts"),
  summary: "Scores between two sets of images: FID or FD, KID, precision and recall, Inception Score",
  params: scoreParams,
  inputs: {
    real: { type: ["images", "features", "statistics"], description: "The real images to compare with" },
    fake: { type: ["images", "features", "statistics"], description: "The samples to score" },
  },
  outputs: {
    metrics: { type: "metrics", description: "The scores, each named for its extractor" },
  },
  seeded: true,
  // The device that multiplies matrices. On it few rows are added in an order that depends on the number of threads.
  device: ({ threads }, tryDevice) => findStageDevice({ device: "onnx", threads }, tryDevice),
  permissions: { native: ["onnxruntime-node"] },
  check(params, inputs) {
    const { fd, fdInfinity, perClass, kid, manifold, inceptionScore, reconstruction } = params;
    const [real, fake] = [readImageFacts(inputs.real), readImageFacts(inputs.fake)];
    const [isReal, isFake] = [real, fake].map((facts) => facts && isOfVectors(facts));
    // Undefined if only the run finds out.
    const areVectors = isReal === false || isFake === false ? false : isReal && isFake;
    const asked = [fd, fdInfinity, perClass, kid, manifold, inceptionScore, reconstruction];
    const problems = problemsOf(
      areVectors === false && !asked.some(Boolean) && {
        param: ["fd"],
        message: "no score is requested",
        fix: "remove fd: false, or add kid: {} or another",
      },
      checkSets(inputs, params),
      reconstruction === true && checkReconstruction(real, fake),
    );
    const { extractor = hasSize(real) ? params.features : undefined } = inputs.real ?? {};
    if (extractor === undefined || areVectors === undefined) return { problems };
    const isSmall = Math.min(real?.height ?? Infinity, real?.width ?? Infinity) < LEAST_SSIM_SIDE;
    const ofPairs = isSmall ? ["PSNR"] : ["PSNR", "SSIM"];
    const further = [...areVectors ? VECTOR_SCORES : [], ...reconstruction ? ofPairs : []];
    return { problems, facts: { metrics: { names: [...namesOf(`${extractor}`, params), ...further] } } };
  },
});

/** Returns the names of the scores that cover all images, as `scoreSets` gives them. */
function namesOf(extractor: string, { fd, fdInfinity, kid, manifold, inceptionScore }: ScoreParams) {
  const own = { FD: "FID", KD: "KID", IS: "IS" };
  const name = (score: keyof typeof own) => extractor === INCEPTION ? own[score] : `${score}-${extractor}`;
  const ofManifold = ["precision", "recall", "density", "coverage"].map((figure) => `${figure}-${extractor}`);
  const names = [
    fd && name("FD"),
    fdInfinity && `${name("FD")}-infinity`,
    kid !== undefined && name("KD"),
    ...manifold === undefined ? [] : ofManifold,
    inceptionScore !== undefined && name("IS"),
  ];
  return names.filter((one) => one !== false);
}

/** Known facts of a set; of features and statistics also the extractor, and what they hold. */
type SetFacts =
  & Facts
  & Partial<Readonly<Record<"vectors" | "logits" | "labels", boolean>>>
  & {
    readonly [name in "extractor" | "sha256" | "resize" | "units"]?: string | null;
  }
  & { readonly count?: number };

/**
 * Reports everything that prevents two sets from being compared, or the requested scores from being computed; unknown
 * facts are not checked. The run knows them all.
 */
function checkSets(given: { readonly real?: Facts; readonly fake?: Facts }, params: ScoreParams): CheckProblem[] {
  const [real, fake] = [given.real, given.fake].map((facts = {}): SetFacts => {
    const images = readImageFacts(facts);
    const units = images?.encoder === undefined ? {} : { units: unitsText(images) };
    const ofImages = {
      extractor: params.features,
      vectors: true,
      logits: false,
      labels: images?.classes !== null,
    };
    return { ...hasSize(images) && { ...ofImages, ...units }, ...facts };
  }) as [SetFacts, SetFacts];
  const { atLeast, bootstrap, kid, manifold, inceptionScore, fdInfinity, perClass } = params;
  const tooFew = (input: string, count = atLeast): CheckProblem[] => {
    const fix = "use more images, or lower atLeast and compare only with scores of as many images";
    const few = { input, message: `too few ${input} images`, got: `${count}`, wanted: `at least ${atLeast}` };
    return count >= atLeast ? [] : [atLeast > 2 ? { ...few, fix } : few];
  };
  const least = Math.min(real.count ?? Infinity, fake.count ?? Infinity);
  // A fact that is absent, or null, differs from no other.
  const differ = (name: "extractor" | "sha256" | "units") =>
    (real[name] ?? fake[name] ?? null) !== (fake[name] ?? real[name] ?? null);
  const isNamedOtherwise = differ("extractor");
  const isOther = isNamedOtherwise || differ("sha256");
  const say = ({ extractor, sha256 }: SetFacts) => `${extractor}${isNamedOtherwise ? "" : `, ${sha256?.slice(0, 12)}`}`;
  const isResized = isInceptionArchitecture(real.extractor) || real.resize !== undefined && fake.resize !== undefined;
  const preparations = real.sha256 && fake.sha256
    ? [real, fake].map((one) => JSON.stringify(one["preprocessing"]))
    : [];
  const ofVectors = Object.entries({ kid, manifold, fdInfinity, perClass, bootstrap });
  const wantVectors = ofVectors.filter(([, wanted]) => wanted).map(([name]) => name);
  return problemsOf(
    tooFew("real", real.count),
    tooFew("fake", fake.count),
    isOther && {
      input: "fake",
      message: "features of different extractors cannot be compared",
      got: say(fake),
      wanted: `${say(real)}, as the real ones`,
      fix: "use the same extractor for both",
    },
    !isOther && isResized && real.resize !== fake.resize && {
      input: "fake",
      message: "features of images that were resized differently cannot be compared",
      got: `resize ${fake.resize ?? "unknown"}`,
      wanted: `${real.resize ?? "unknown"}, as the real ones`,
      fix: "give both the same resize",
    },
    preparations[0] !== preparations[1] && {
      input: "fake",
      message: "images with different preprocessing cannot be compared",
      got: `${preparations[1]}`,
      wanted: `${preparations[0]}, as the real ones`,
      fix: "give both features stages the same preprocess and output",
    },
    !isOther && differ("units") && {
      input: "fake",
      message: "no normaliser makes pixels of such values comparable",
      got: `${fake.units}`,
      wanted: `${real.units}, as the real ones`,
      fix: "use images of the same type on both inputs, or latents of the same encoder",
    },
    checkSameSize("fake", picturesOf(fake), { name: "the real ones", size: picturesOf(real) }),
    (real.vectors === false || fake.vectors === false) && wantVectors.map((name) => ({
      param: [name],
      message: `${name} needs the features of both sets, and one has only statistics`,
      fix: "use images or features instead of statistics",
    })),
    bootstrap > 0 && least < 8 && {
      param: ["bootstrap"],
      message: "a quarter of each set needs two images",
      got: `${least}`,
      wanted: "at least 8",
      fix: "use more images, or bootstrap: 0",
    },
    // A set of one image or none is refused above.
    kid !== undefined && least > 1 && checkMost(["kid", "size"], kid.size, least, {
      message: "a subset cannot hold more images than there are",
    }),
    manifold !== undefined && least > 1 &&
      checkMost(["manifold", "neighbours"], manifold.neighbours, Math.min(least, manifold.limit) - 1, {
        message: "each image needs this many others in its set",
      }),
    inceptionScore !== undefined && checkMost(["inceptionScore", "splits"], inceptionScore.splits, fake.count, {
      message: "each split needs an image",
    }),
    inceptionScore !== undefined && fake.logits === false && {
      param: ["inceptionScore"],
      message: "the inception score needs logits, and the extractor of the fake images gives none",
      fix: "use features of extractor classifier, or of a graph with logits",
    },
    perClass && (real.labels === false || fake.labels === false) && {
      param: ["perClass"],
      message: "both sets need labels",
      fix: "use images with labels; samples of a class-conditional model have them",
    },
  );
}

/** Returns the facts of images, or of those that pixel features or their statistics were made of. */
const picturesOf = (facts: Facts) => readImageFacts((facts["pictures"] ?? facts) as Facts);

/** Reports sets that cannot be the same images; unknown facts are not checked. */
function checkReconstruction(real: ImageFacts | undefined, fake: ImageFacts | undefined): CheckProblem[] {
  const unfit = (message: string, got: string, wanted: string) => [{
    param: ["reconstruction"],
    ...{ message, got, wanted },
    fix: "compare decoded images with those that were encoded, or remove reconstruction",
  }];
  if (real?.dtype === "float32") return unfit("PSNR needs a range, and floats have none", "float32", "uint8 or uint16");
  const [got, wanted] = [fake?.count, real?.count];
  if (got === undefined || wanted === undefined || got === wanted) return [];
  return unfit("reconstructions are as many as their images", `${got}`, `${wanted}`);
}
