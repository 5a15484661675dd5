import type { ScoreParams } from "./params.ts";
import type { CheckProblem } from "../../contract/stage.ts";
import { type ImageFacts, readImageFacts } from "../../artifacts/facts.ts";
import { isOverInception } from "../shared/inception.ts";
import { checkSameSize } from "../shared/same_size.ts";
import type { ScoredSet } from "./sets.ts";

/** Facts of images; of features also what made them, and how it had its images resized. */
export type SetFacts = Partial<ImageFacts> & { readonly extractor?: unknown; readonly resize?: unknown };

/** Everything that keeps two sets of images from being compared; what is not known is not checked. */
export function checkSets(sets: { readonly real?: SetFacts | undefined; readonly fake?: SetFacts | undefined }) {
  const problems: CheckProblem[] = [];
  for (const port of ["real", "fake"] as const) {
    const count = sets[port]?.count;
    if (count === undefined || count >= 2) continue;
    problems.push({
      input: port,
      message: "a covariance needs at least two images",
      got: `${count}`,
      wanted: "at least 2",
    });
  }
  const [a, b] = [sets.real?.resize, sets.fake?.resize];
  const { extractor } = sets.real ?? {};
  const known = isOverInception(extractor) || (a !== undefined && b !== undefined);
  if (known && a !== b && extractor === sets.fake?.extractor) {
    problems.push({
      input: "fake",
      message: "features of images that were resized differently cannot be compared",
      got: `resize ${b ?? "unknown"}`,
      wanted: `${a ?? "unknown"}, as the real ones`,
      fix: "give both the same resize",
    });
  }
  const [real, fake] = [readImageFacts(sets.real), readImageFacts(sets.fake)];
  return problems.concat(checkSameSize("fake", fake, { name: "the real ones", size: real }));
}

/** Params that ask for nothing, or for what cannot be. */
export function checkFigures(params: ScoreParams): CheckProblem[] {
  const { fd, fdInfinity, perClass, bootstrap } = params;
  const problems: CheckProblem[] = [];
  if (!fd && !fdInfinity && !perClass && !params.kid && !params.manifold && !params.inceptionScore) {
    const fix = "remove fd: false, or add kid: {} or another";
    problems.push({ param: ["fd"], message: "no score is requested", fix });
  }
  if (bootstrap === 1) {
    const message = "one resample has no spread";
    problems.push({ param: ["bootstrap"], message, got: "1", wanted: "0, or 2 and more" });
  }
  return problems;
}

/** Everything that keeps the wanted figures from being computed, once the sets are there. */
export function checkScored(params: ScoreParams, { real, fake }: { real: ScoredSet; fake: ScoredSet }): CheckProblem[] {
  const problems: CheckProblem[] = [];
  const [a, b] = [real.extractor, fake.extractor];
  if (a.name !== b.name || a.dimension !== b.dimension || (a.sha256 ?? b.sha256) !== (b.sha256 ?? a.sha256)) {
    const say = ({ name, dimension, sha256 }: typeof a) =>
      `${name} (${dimension}${sha256 ? `, ${sha256.slice(0, 12)}` : ""})`;
    problems.push({
      input: "fake",
      message: "features of different extractors cannot be compared",
      got: say(b),
      wanted: `${say(a)}, as the real ones`,
      fix: "use the same extractor for both",
    });
  }
  if (
    a.sha256 !== null && b.sha256 !== null &&
    JSON.stringify(a.preprocessing) !== JSON.stringify(b.preprocessing)
  ) {
    problems.push({
      input: "fake",
      message: "images with different preprocessing cannot be compared",
      got: JSON.stringify(b.preprocessing),
      wanted: `${JSON.stringify(a.preprocessing)}, as the real ones`,
      fix: "give both features stages the same preprocess and output",
    });
  }
  const vectors = [params.kid !== undefined && "kid", params.manifold !== undefined && "manifold"];
  vectors.push(params.fdInfinity && "fdInfinity", params.perClass && "perClass", params.bootstrap > 0 && "bootstrap");
  for (const name of vectors) {
    if (name === false || (real.vectors !== undefined && fake.vectors !== undefined)) continue;
    problems.push({
      param: [name],
      message: `${name} needs the features of both sets, and one has only statistics`,
      fix: "use features instead of statistics",
    });
  }
  const least = Math.min(real.count, fake.count);
  if (params.kid !== undefined && params.kid.size > least) {
    problems.push({
      param: ["kid", "size"],
      message: "a subset cannot hold more images than there are",
      got: `${params.kid.size} of ${least}`,
      wanted: `at most ${least}`,
      fix: `use size: ${Math.min(1_000, least)}`,
    });
  }
  const tooFew = (param: string, message: string, most: number, got: number) => {
    if (got <= most) return;
    problems.push({ param: [param], message, got: `${got}`, wanted: `at most ${most}` });
  };
  if (params.manifold !== undefined) {
    const { neighbours, limit } = params.manifold;
    tooFew("manifold", "each image needs this many others in its set", Math.min(least, limit) - 1, neighbours);
  }
  if (params.inceptionScore !== undefined) {
    tooFew("inceptionScore", "each split needs an image", fake.count, params.inceptionScore.splits);
  }
  if (params.inceptionScore !== undefined && fake.logits === undefined) {
    problems.push({
      param: ["inceptionScore"],
      message: "the inception score needs logits, and the extractor of the fake images gives none",
      fix: "use features of extractor classifier, or of a graph with logits",
    });
  }
  if (params.perClass && (real.labels === undefined || fake.labels === undefined)) {
    problems.push({
      param: ["perClass"],
      message: "both sets need labels",
      fix: "use images with labels; samples of a class-conditional model have them",
    });
  }
  return problems;
}
