import type { ScoreParams } from "../../schemas/kinds/score.ts";
import type { CheckProblem } from "../contract.ts";
import type { ImageFacts } from "../shared/facts.ts";
import { differentSize } from "../shared/same_size.ts";
import type { ScoredSet } from "./sets.ts";

/** Everything that keeps two sets of images from being compared; what is not known is not checked. */
export function checkSets(sets: { readonly real: ImageFacts | undefined; readonly fake: ImageFacts | undefined }) {
  const problems: CheckProblem[] = [];
  for (const port of ["real", "fake"] as const) {
    const count = sets[port]?.count;
    if (count === undefined || count >= 2) continue;
    problems.push({
      severity: "error",
      input: port,
      message: "a covariance needs at least two images",
      got: `${count}`,
      wanted: "at least 2",
    });
  }
  if (sets.real !== undefined && sets.fake !== undefined) {
    const problem = differentSize("fake", sets.fake, { name: "the real ones", size: sets.real });
    if (problem !== undefined) problems.push(problem);
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
      severity: "error",
      input: "fake",
      message: "features of two extractors do not compare",
      got: say(b),
      wanted: `${say(a)}, as the real ones`,
      fix: "make both with the same extractor",
    });
  }
  if (a.sha256 !== null && b.sha256 !== null && JSON.stringify(a.preprocessing) !== JSON.stringify(b.preprocessing)) {
    problems.push({
      severity: "error",
      input: "fake",
      message: "images that were brought to the extractor's size and range in two ways do not compare",
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
      severity: "error",
      param: [name],
      message: `${name} needs the vectors of both sets, and statistics are all that is known of one`,
      fix: "give features in place of statistics",
    });
  }
  const least = Math.min(real.count, fake.count);
  if (params.kid !== undefined && params.kid.size > least) {
    problems.push({
      severity: "error",
      param: ["kid", "size"],
      message: "a subset cannot hold more images than there are",
      got: `${params.kid.size} of ${least}`,
      wanted: `at most ${least}`,
      fix: `use size: ${Math.min(1_000, least)}`,
    });
  }
  if (params.inceptionScore !== undefined && fake.logits === undefined) {
    problems.push({
      severity: "error",
      param: ["inceptionScore"],
      message: "the inception score needs logits, and the extractor of the fake images gives none",
      fix: "use features of extractor classifier, or of a graph with logits",
    });
  }
  if (params.perClass && (real.labels === undefined || fake.labels === undefined)) {
    problems.push({
      severity: "error",
      param: ["perClass"],
      message: "both sets need labels",
      fix: "use images with labels; samples have them where the network was told labels",
    });
  }
  return problems;
}
