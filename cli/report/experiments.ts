import { openStoredArtifact, parseStageId, type Pipeline, type Plan, type ResultManifest, type Store } from "noiseline";
import { collectArtifacts, type Collected, type Report } from "noiseline/report";

/** One column of a comparison: the stages of a run, of a pipeline, or of one child of its matrix. */
export interface Experiment {
  readonly name: string;
  readonly stages: ReadonlyMap<string, ComparedStage>;
}

export interface ComparedStage {
  readonly params: Readonly<Record<string, unknown>>;
  readonly artifacts: readonly Collected["artifact"][];
}

interface StageResult extends ComparedStage {
  readonly id: string;
}

/** The results of a pipeline as they are now. Children of a matrix are experiments of their own. */
export function experimentsOfPipeline(pipeline: Pipeline, { stages }: Plan, store: Store): Experiment[] {
  return split(pipeline.name, [...stages].flatMap(([id, { manifest }]) => resultOf(id, manifest, store)));
}

/** Results that a run used or a tag names: resolved keys by stage. Those that are gone are left out. */
export function experimentsOfResults(
  name: string,
  results: Readonly<Record<string, string>>,
  store: Store,
): Experiment[] {
  const entries = Object.entries(results);
  return split(name, entries.flatMap(([id, key]) => resultOf(id, store.results.byResolved(key), store)));
}

/** Nothing for a stage that has no result. */
function resultOf(id: string, manifest: ResultManifest | undefined, store: Store): StageResult[] {
  if (manifest === undefined) return [];
  const artifacts = Object.values(manifest.outputs).map((record) => openStoredArtifact(record, store.objects));
  return [{ id, params: manifest.ingredients.params, artifacts }];
}

/**
 * Stages of a matrix by their values, each with the stages before it that have fewer. An experiment is a combination that
 * no other one extends.
 */
function split(name: string, results: readonly StageResult[]): Experiment[] {
  const parsed = results.map((result) => ({ ...result, ...parseStageId(result.id) }));
  const combinations = [...new Map(parsed.map(({ select }) => [JSON.stringify(select), select])).values()];
  const extendedBy = (a: Select, b: Select) => a !== b && Object.entries(a).every(([axis, value]) => b[axis] === value);
  const whole = combinations.filter((one) => !combinations.some((other) => extendedBy(one, other)));
  return whole.map((select) => {
    const own = parsed.filter((result) => result.select === select || extendedBy(result.select, select));
    const values = Object.entries(select).map(([axis, value]) => `${axis}=${value}`).join(" ");
    return {
      name: values === "" ? name : `${name} ${values}`,
      stages: new Map(own.map(({ stage, params, artifacts }) => [stage, { params, artifacts }])),
    };
  });
}

type Select = Readonly<Record<string, string>>;

/** What of an experiment a page shows, by stage. */
export async function contentOf({ stages }: Experiment): Promise<Omit<Report, "title" | "subtitle" | "stages">> {
  return await collectArtifacts(
    [...stages].flatMap(([id, { artifacts }]) => artifacts.map((artifact) => ({ title: id, artifact }))),
  );
}
