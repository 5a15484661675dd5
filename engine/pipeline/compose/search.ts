import { countTrials, type SearchEntry, searchSchema } from "../../../schemas/pipeline_file.ts";
import { CURVE_PORT } from "../../../schemas/log.ts";
import { suggestName } from "../../../std/did_you_mean.ts";
import { sobolPoints } from "../../../std/sobol.ts";
import type { Details } from "../../diagnostic/diagnostic.ts";
import type { DocumentPath } from "../../diagnostic/document.ts";
import type { Problems } from "../../diagnostic/problems.ts";
import { compareCodeUnits } from "../../keys/encode.ts";
import { extentParam, type Slot } from "../../keys/stage.ts";
import { sha256Of } from "../../store/reading.ts";
import { asMap, type Budget, type Entries, isRecord } from "../source/tree.ts";
import type { Combination } from "./axes.ts";
import type { KindFacts, KindsOf } from "./expand.ts";
import { fillMatrix, type Interpolation, matrixAxesIn } from "./interpolate.ts";
import { withPredecessors } from "./order.ts";
import { inputsOf, mapReferences, parseStageId, stageIn, textsAt } from "./reference.ts";

/** Values have so many digits, so that no key hangs on how a processor rounds a power. */
const DIGITS = 6;
/** Points that are looked at for each trial, so that different ones are found. */
const POINTS_PER_TRIAL = 16;

/**
 * Replaces each stage that has a search: by its trials, with the stages from it to the score; by a slot for each stage
 * of a higher rung, with the same stages; by the ranking of each rung, a `select`; and by the winner, a slot that has
 * the stage's own id, so that whoever reads the stage reads the winner. What a slot computes is known once the rankings
 * below it are; that it will be computed, and what reads it, is known before anything runs.
 * @param kindsOf undefined if there is no search
 */
export function expandSearches(
  root: unknown,
  kindsOf: KindsOf | undefined,
  { problems, budget }: { readonly problems: Problems; readonly budget: Budget },
) {
  const found = {
    slots: new Map<string, Slot>(),
    /** The stages that are computed for each trial. */
    trials: new Set<string>(),
    /** The stages of searches, by the id of the stage in the file that they are made of. */
    families: new Map<string, string[]>(),
    /** Where rankings are written, by their ids. */
    places: new Map<string, DocumentPath>(),
    interpolations: [] as Interpolation[],
  };
  const stages = asMap(asMap(root)["stages"]);
  const made: Record<string, unknown> = Object.create(null);
  for (const [id, entry] of Object.entries(stages)) {
    // A wrong structure is reported with the rest of the file's.
    const parsed = searchSchema.safeParse(asMap(entry)["search"]);
    if (parsed.success && !budget.spent) {
      const [kind] = kindsOf!(id);
      Object.assign(made, new Search(id, asMap(entry), parsed.data, stages, problems).expand(kind, found, budget));
    }
    made[id] ??= entry;
  }
  return { ...found, value: isRecord(root) && isRecord(root["stages"]) ? { ...root, stages: made } : root };
}

type Found = Omit<ReturnType<typeof expandSearches>, "value">;

class Search {
  readonly #at: DocumentPath;
  /** Sorted, so that moving an axis in the file changes no trial. */
  readonly #axes: readonly (readonly [name: string, values: SearchEntry["over"][string]])[];

  constructor(
    private readonly id: string,
    private readonly entry: Entries,
    private readonly search: SearchEntry,
    private readonly stages: Entries,
    private readonly problems: Problems,
  ) {
    this.#at = ["stages", id, "search"];
    this.#axes = Object.entries(search.over).sort(([a], [b]) => compareCodeUnits(a, b));
  }

  /**
   * Returns the stages that take the place of the stage that has the search; none if something is wrong.
   * @param kind undefined if it is not known, which is reported elsewhere
   */
  expand(kind: KindFacts | undefined, found: Found, budget: Budget): Record<string, unknown> {
    const before = this.problems.count;
    const { id, stages, search: { rungs = [undefined], goal } } = this;
    const counts = this.#counts();
    this.#checkNames();
    const extent = this.#extentOf(kind);
    const path = this.#pathToScore();
    if (this.problems.count > before || path === undefined) return {};
    const { members, score, metric, port } = path;
    const trials = this.#trials(counts[0]!);
    if (trials.length < counts[0]!) {
      const message = `over has only ${trials.length} trials that differ`;
      return this.#refuse(["over"], message, `set trials to ${trials.length}, or widen over`) ?? {};
    }
    const made: Record<string, unknown> = Object.create(null);
    const rankings: string[] = [];
    const fill = (own: string, trial: Combination, steps: number | undefined) => {
      const { search: _, with: params, ...entry } = this.entry;
      const whole = isRecord(params) && extent !== undefined ? { ...params, [extent]: steps } : params;
      const filled = fillMatrix({ ...entry, with: whole }, trial, ["stages", own], "search");
      found.interpolations.push(...filled.interpolations);
      return filled.value as Entries;
    };
    for (const [rung, steps] of rungs.entries()) {
      const mark = steps === undefined ? "" : `~rung=${steps}`;
      const below = { rankings: [...rankings], counts: counts.slice(1, rung + 1), of: id, from: rungs[rung - 1] ?? 0 };
      const suffixes = Array.from({ length: counts[rung]! }, (_, place) => {
        return rung === 0 ? `~trial=${place + 1}` : `${mark}~slot=${place + 1}`;
      });
      for (const [place, suffix] of suffixes.entries()) {
        for (const member of members) {
          const own = `${member}${suffix}`;
          const trial = trials[rung === 0 ? place : 0]!;
          // Stages of a trial or slot read each other.
          made[own] = mapReferences(member === id ? fill(own, trial, steps) : asMap(stages[member]), ({ text }) => {
            const read = stageIn(text);
            return [members.has(read) ? `${read}${suffix}${`${text}`.slice(read.length)}` : text];
          });
          found.families.getOrInsert(member, []).push(own);
          const refused = found.trials.has(own)
            ? `stage "${member}" depends on two searches, each of which would have trials of its own`
            : budget.take(made[own], 1);
          if (refused !== undefined) {
            return this.#refuse(["score"], refused, "search one by one, with fewer trials") ?? {};
          }
          found.trials.add(own);
        }
        if (rung > 0) found.slots.set(`${id}${suffix}`, { ...below, place });
      }
      const ranking = `${id}-ranking${mark}`;
      const metrics = suffixes.map((suffix) => `${score}${suffix}${port}`);
      made[ranking] = { uses: "select", inputs: { metrics }, with: { metric, ...goal && { goal } } };
      if (mark !== "") found.families.getOrInsert(`${id}-ranking`, []).push(ranking);
      found.places.set(ranking, [...this.#at, "score"]);
      rankings.push(ranking);
    }
    const steps = rungs.at(-1);
    found.slots.set(id, { rankings, counts: [...counts.slice(1), 1], place: 0, of: id, from: steps ?? 0 });
    made[id] = fill(id, trials[0]!, steps);
    return made;
  }

  #refuse(path: DocumentPath, message: string, fix: string, details?: Details): undefined {
    return this.problems.add([...this.#at, ...path], message, fix, details);
  }

  /** Returns the number of stages of each rung, the trials first. */
  #counts(): readonly number[] {
    const { trials, rungs = [0], eta } = this.search;
    const counts = [countTrials(this.search)];
    for (let rung = 1; rung < rungs.length; rung++) counts.push(Math.floor(counts.at(-1)! / eta));
    if (counts.at(-1) === 0) {
      const details = { got: `${counts[0]}`, wanted: `at least ${eta ** (rungs.length - 1)}, so that one is left` };
      const message = `the search has too few trials for ${rungs.length} rungs of which one in ${eta} goes on`;
      this.#refuse([trials === undefined ? "over" : "trials"], message, "add trials, or remove rungs", details);
    }
    return counts;
  }

  /** Returns the name of the param that rungs set. */
  #extentOf(kind: KindFacts | undefined): string | undefined {
    if (this.search.rungs === undefined || kind === undefined) return undefined;
    const name = extentParam(kind);
    if (name === undefined) {
      return this.#refuse(["rungs"], `${this.entry["uses"]} has no extent, so rungs have no meaning`, "remove rungs");
    }
    if (Object.hasOwn(asMap(this.entry["with"]), name)) {
      const at = ["stages", this.id, "with", name];
      this.problems.add(at, `${name} is set by the rungs of the search`, "remove one of the two");
    }
    return name;
  }

  #checkNames(): void {
    const used = matrixAxesIn(this.entry["with"], "search");
    const known = new Set(this.#axes.map(([name]) => name));
    for (const axis of used.difference(known)) {
      const message = `cannot resolve \${search.${axis}}: the search has no such values`;
      const at = [...this.#at.slice(0, 2), "with"];
      this.problems.add(at, message, suggestName(axis, [...known]), { code: "interpolation" });
    }
    for (const axis of used.isSubsetOf(known) ? known.difference(used) : []) {
      const fix = `write \${search.${axis}} under with, where its values belong, or remove it`;
      this.#refuse(["over", axis], `search.${axis} makes no difference to the stage`, fix);
    }
  }

  /** Finds the stage of the score, and the stages of the search: from this one to that of the score. */
  #pathToScore() {
    const { id, search: { score: written }, stages } = this;
    const dot = written.indexOf(".");
    // In a nested pipeline, names are those of its file.
    const score = `${id.slice(0, id.lastIndexOf("/") + 1)}${written.slice(0, dot)}`;
    const fail = (message: string, fix: string) => this.#refuse(["score"], message, fix);
    const many = (name: string) => `stage "${name}" has a matrix, and a search compares trials by one number`;
    if (parseStageId(id).stage !== id) {
      const fix = "name its values under over; seeds are compared by a matrix over pipelines without a search";
      return this.#refuse([], "a stage with a matrix cannot have a search", fix, { target: "key" });
    }
    const edges = new Map(
      Object.entries(stages).map(([one, entry]) => {
        const texts = Object.values(inputsOf(entry)).flatMap((each) => textsAt(each, []));
        return [one, texts.map(({ text }) => stageIn(text))];
      }),
    );
    if (!edges.has(score)) {
      const names = [...new Set(edges.keys().map((one) => parseStageId(one).stage))];
      return names.includes(score)
        ? fail(many(score), "score the trials by a stage without one")
        : fail(`there is no stage "${score}"`, suggestName(score, names));
    }
    const before = withPredecessors(edges, [score]);
    const after = new Map([...edges.keys()].map((one): [string, string[]] => [one, []]));
    for (const [reader, all] of edges) for (const read of all) after.get(read)?.push(reader);
    if (!before.has(id)) {
      return fail(`stage "${score}" reads nothing of "${id}", so it cannot tell trials apart`, `let it read ${id}`);
    }
    const members = before.intersection(withPredecessors(after, [id]));
    for (const one of members) {
      if (parseStageId(one).stage !== one) return fail(many(parseStageId(one).stage), "remove the matrix");
      if (one === id || asMap(stages[one])["search"] === undefined) continue;
      return fail(
        `stage "${one}", by which the score depends on "${id}", has a search of its own`,
        "search one by one",
      );
    }
    const metric = written.slice(dot + 1);
    const figure = /^log\.(.+)$/s.exec(metric)?.[1];
    return { members, score, metric: figure ?? metric, port: figure === undefined ? "" : `.${CURVE_PORT}` };
  }

  /**
   * Returns the values of the trials: points of Sobol's sequence, or each combination of the lists. Points that lists
   * or whole numbers make equal to an earlier one are left out.
   */
  #trials(count: number): Combination[] {
    const points = this.search.trials === undefined
      ? Array.from<undefined>({ length: count })
      : shiftedPoints(POINTS_PER_TRIAL * count, this.#axes.length, this.search.seed);
    const trials = new Map<string, Combination>();
    let number = 0;
    for (const point of points) {
      if (trials.size === count) break;
      let rest = number++;
      const values = Object.fromEntries(this.#axes.map(([axis, values], dimension) => {
        const path = [...this.#at, "over", axis];
        const place = point?.[dimension] ?? 0;
        if (!Array.isArray(values)) return [axis, { label: axis, value: valueAt(values, place), path }];
        const index = point === undefined ? rest % values.length : Math.floor(place * values.length);
        rest = Math.floor(rest / values.length);
        return [axis, { label: axis, value: values[index], path: [...path, index] }];
      }));
      trials.getOrInsert(JSON.stringify(Object.values(values).map(({ value }) => value)), values);
    }
    return [...trials.values()];
  }
}

/** Yields points of the sequence, all shifted by the same numbers, modulo 1 (Cranley and Patterson 1976). */
function shiftedPoints(count: number, dimensions: number, seed: number): Iterable<number[]> {
  const shifts = Array.from({ length: dimensions }, (_, dimension) => {
    return Number.parseInt(sha256Of(`noiseline/search/${seed}/${dimension}`).slice(0, 8), 16) / 2 ** 32;
  });
  return sobolPoints(count, dimensions).map((point) => point.map((one, dimension) => (one + shifts[dimension]!) % 1));
}

/** Returns the value of a range at a place of [0, 1) in it. */
function valueAt({ from, to, log, integer }: Exclude<SearchEntry["over"][string], unknown[]>, place: number): number {
  const end = integer ? to + 1 : to;
  const value = log ? from * (end / from) ** place : from + (end - from) * place;
  return integer ? Math.min(Math.floor(value), to) : Number(value.toPrecision(DIGITS));
}
