import { type ImageFacts, readImageFacts } from "../../artifacts/facts.ts";
import { type CheckProblem, defineKind } from "../../contract/stage.ts";
import { checkMost, checkSameSize, problemsOf } from "../shared/checks.ts";
import { findStageDevice } from "../shared/device.ts";
import { isInceptionArchitecture } from "../shared/inception.ts";
import type { ScoredSet } from "./figures.ts";
import { type ScoreParams, scoreParams } from "./params.ts";

export const scoreKind = defineKind({
  kind: "score",
  version: 7,
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
    const { fd, fdInfinity, perClass, kid, manifold, inceptionScore } = params;
    const asksForNone = !fd && !fdInfinity && !perClass && !kid && !manifold && !inceptionScore;
    const problems = problemsOf(
      asksForNone && {
        param: ["fd"],
        message: "no score is requested",
        fix: "remove fd: false, or add kid: {} or another",
      },
      checkSets(inputs, params),
    );
    return { problems };
  },
});

const OTHER_EXTRACTOR = "features of different extractors cannot be compared";

/** Facts of images; for features also their extractor, and how the extractor's images were resized. */
type SetFacts = Partial<ImageFacts> & { readonly extractor?: unknown; readonly resize?: unknown };
type Facts = { readonly real?: SetFacts; readonly fake?: SetFacts };

/** Reports everything that prevents two sets of images from being compared; unknown facts are not checked. */
function checkSets({ real, fake }: Facts, { bootstrap, atLeast }: ScoreParams): CheckProblem[] {
  const tooFew = (input: string, count = atLeast): CheckProblem[] => {
    const fix = "use more images, or lower atLeast (--at-least) and compare only with scores of as many images";
    const few = { input, message: `too few ${input} images`, got: `${count}`, wanted: `at least ${atLeast}` };
    return count >= atLeast ? [] : [atLeast > 2 ? { ...few, fix } : few];
  };
  const [a, b] = [real?.resize, fake?.resize];
  const extractor = real?.extractor;
  const known = isInceptionArchitecture(extractor) || (a !== undefined && b !== undefined);
  return problemsOf(
    tooFew("real", real?.count),
    tooFew("fake", fake?.count),
    checkBootstrap(bootstrap, Math.min(real?.count ?? Infinity, fake?.count ?? Infinity)),
    extractor !== undefined && fake?.extractor !== undefined && extractor !== fake.extractor && {
      input: "fake",
      message: OTHER_EXTRACTOR,
      got: String(fake.extractor),
      wanted: `${extractor}, as the real ones`,
      fix: "use the same extractor for both",
    },
    known && a !== b && extractor === fake?.extractor && {
      input: "fake",
      message: "features of images that were resized differently cannot be compared",
      got: `resize ${b ?? "unknown"}`,
      wanted: `${a ?? "unknown"}, as the real ones`,
      fix: "give both the same resize",
    },
    checkSameSize("fake", readImageFacts(fake), { name: "the real ones", size: readImageFacts(real) }),
  );
}

/** @param least number of images of the smaller set */
const checkBootstrap = (bootstrap: number, least: number) =>
  bootstrap > 0 && least < 8 && {
    param: ["bootstrap"],
    message: "a quarter of each set needs two images",
    got: `${least}`,
    wanted: "at least 8",
    fix: "use more images, or bootstrap: 0",
  };

/** Reports everything that prevents the requested scores from being computed, once the sets exist. */
export function checkScored(params: ScoreParams, { real, fake }: { real: ScoredSet; fake: ScoredSet }): CheckProblem[] {
  const [a, b] = [real.extractor, fake.extractor];
  const say = ({ name, dimension, sha256 }: typeof a) =>
    `${name} (${dimension}${sha256 ? `, ${sha256.slice(0, 12)}` : ""})`;
  const [preparedA, preparedB] = [JSON.stringify(a.preprocessing), JSON.stringify(b.preprocessing)];
  const { kid, manifold, inceptionScore, fdInfinity, perClass, bootstrap } = params;
  const ofVectors = Object.entries({ kid, manifold, fdInfinity, perClass, bootstrap });
  const wantVectors = ofVectors.filter(([, wanted]) => wanted).map(([name]) => name);
  const least = Math.min(real.count, fake.count);
  return problemsOf(
    (a.name !== b.name || a.dimension !== b.dimension || (a.sha256 ?? b.sha256) !== (b.sha256 ?? a.sha256)) && {
      input: "fake",
      message: OTHER_EXTRACTOR,
      got: say(b),
      wanted: `${say(a)}, as the real ones`,
      fix: "use the same extractor for both",
    },
    a.sha256 !== null && b.sha256 !== null && preparedA !== preparedB && {
      input: "fake",
      message: "images with different preprocessing cannot be compared",
      got: preparedB,
      wanted: `${preparedA}, as the real ones`,
      fix: "give both features stages the same preprocess and output",
    },
    (real.vectors === undefined || fake.vectors === undefined) && wantVectors.map((name) => ({
      param: [name],
      message: `${name} needs the features of both sets, and one has only statistics`,
      fix: "use features instead of statistics",
    })),
    checkBootstrap(bootstrap, least),
    kid !== undefined && checkMost(["kid", "size"], kid.size, least, {
      message: "a subset cannot hold more images than there are",
    }),
    manifold !== undefined &&
      checkMost(["manifold", "neighbours"], manifold.neighbours, Math.min(least, manifold.limit) - 1, {
        message: "each image needs this many others in its set",
      }),
    inceptionScore !== undefined && checkMost(["inceptionScore", "splits"], inceptionScore.splits, fake.count, {
      message: "each split needs an image",
    }),
    inceptionScore !== undefined && fake.logits === undefined && {
      param: ["inceptionScore"],
      message: "the inception score needs logits, and the extractor of the fake images gives none",
      fix: "use features of extractor classifier, or of a graph with logits",
    },
    perClass && (real.labels === undefined || fake.labels === undefined) && {
      param: ["perClass"],
      message: "both sets need labels",
      fix: "use images with labels; samples of a class-conditional model have them",
    },
  );
}
