import { openStoredArtifact, parseStageId, type ResultManifest, type Store } from "noiseline";
import { collectArtifacts, type Collected, type Collection } from "noiseline/report";

/** One row of a comparison: what stands under the same values of a matrix in a pipeline, a run or a tag. */
export interface Experiment {
  /** The pipeline, run or tag. */
  readonly source: string;
  /** The values of the matrix; empty where there is none. */
  readonly label: string;
  /** Results of these values alone: what several experiments share is a row of its own. */
  readonly stages: ReadonlyMap<string, readonly Collected[]>;
  /** The same, and what they were made of. */
  readonly made: ReadonlyMap<string, ResultManifest["ingredients"]>;
  /** Contents that were read and are not in the store, so that they count as they are. */
  readonly unknown: readonly string[];
  /** Slots of selections that this is the candidate of: `pick.best1`. */
  readonly chosen: readonly string[];
  /** Its stages that have no result. */
  readonly missing: readonly string[];
}

/** The results of a pipeline as they are now. Children of a matrix are experiments of their own. */
export function experimentsOfPipeline(
  source: string,
  stages: ReadonlyMap<string, { readonly manifest?: ResultManifest }>,
  store: Store,
): Experiment[] {
  return split(source, [...stages].map(([id, { manifest }]) => [id, manifest]), store);
}

/** Results that a run used or a tag names: resolved keys by stage. */
export function experimentsOfResults(
  source: string,
  results: Readonly<Record<string, string>>,
  store: Store,
): Experiment[] {
  return split(source, Object.entries(results).map(([id, key]) => [id, store.results.byResolved(key)]), store);
}

export function nameOf({ source, label }: Pick<Experiment, "source" | "label">): string {
  return label === "" ? source : `${source} ${label}`;
}

/** What the stages say that have no axis of the matrix, such as one that goes on with the best. */
const SHARED = "(shared)";

type Select = Readonly<Record<string, string>>;

interface Result {
  readonly stage: string;
  readonly select: Select;
  readonly manifest: ResultManifest;
}

function split(
  source: string,
  found: readonly (readonly [string, ResultManifest | undefined])[],
  store: Store,
): Experiment[] {
  const parsed = found.map(([id, manifest]) => ({ ...parseStageId(id), manifest }));
  const results = parsed.filter((one): one is Result => one.manifest !== undefined);
  const makers = Map.groupBy(
    results.flatMap((one) => Object.values(one.manifest.outputs).map(({ digest }) => ({ digest, one }))),
    ({ digest }) => digest,
  );
  const groups = [...Map.groupBy(parsed, ({ select }) => JSON.stringify(select)).values()];
  // What has no axis comes last: mostly it goes on with what the others came to.
  const axes = ([one]: typeof groups[number]) => Object.keys(one!.select).length;
  groups.sort((a, b) => Number(axes(a) === 0) - Number(axes(b) === 0));
  return groups.map((group): Experiment => {
    const { select } = group[0]!;
    const own = results.filter((one) => JSON.stringify(one.select) === JSON.stringify(select));
    const made = new Set(own);
    const unknown: string[] = [];
    // A set goes over what is added on the way.
    for (const { manifest } of made) {
      for (const digest of Object.values(manifest.ingredients.inputs).flat()) {
        const before = makers.get(digest);
        if (before === undefined) unknown.push(digest);
        for (const { one } of before ?? []) if (isWithin(one.select, select)) made.add(one);
      }
    }
    const values = Object.entries(select).map(([axis, value]) => `${axis}=${value}`).join(" ");
    return {
      source,
      label: values === "" && groups.length > 1 ? SHARED : values,
      stages: new Map(own.map(({ stage, manifest }) => [stage, artifactsOf(stage, manifest, store)])),
      made: new Map([...made].map(({ stage, manifest }) => [stage, manifest.ingredients])),
      unknown,
      chosen: values === "" ? [] : slotsOf(own, results),
      missing: group.filter(({ manifest }) => manifest === undefined).map(({ stage }) => stage),
    };
  });
}

function isWithin(part: Select, whole: Select): boolean {
  return Object.entries(part).every(([axis, value]) => whole[axis] === value);
}

/** Whether a result is that of a `select`. */
export function isSelection(outputs: ResultManifest["outputs"]): boolean {
  return Object.values(outputs).some(({ type }) => type === "selection");
}

/** A selection's slots are the chosen artifacts themselves. */
function slotsOf(own: readonly Result[], results: readonly Result[]): string[] {
  const digests = new Set(own.flatMap(({ manifest }) => Object.values(manifest.outputs).map(({ digest }) => digest)));
  return results.filter(({ manifest }) => isSelection(manifest.outputs)).flatMap(({ stage, manifest }) =>
    Object.entries(manifest.outputs).filter(([, { digest }]) => digests.has(digest)).map(([slot]) => `${stage}.${slot}`)
  );
}

/** The artifacts of a result by the name of its stage; the slots of a selection are told where they were chosen from. */
export function artifactsOf(stage: string, { outputs }: Pick<ResultManifest, "outputs">, store: Store): Collected[] {
  const records = isSelection(outputs) ? [] : Object.entries(outputs);
  return records.map(([port, record]) => {
    const several = records.filter(([, { type }]) => type === record.type).length > 1;
    return { title: several ? `${stage}.${port}` : stage, artifact: openStoredArtifact(record, store.objects) };
  });
}

/** What of an experiment a page shows, by stage. */
export async function contentOf({ stages }: Experiment): Promise<Collection> {
  return await collectArtifacts([...stages.values()].flat());
}

/** Whether there is anything in it to set beside another's. */
export function isComparable({ metrics, curves, samples }: Collection): boolean {
  return metrics.length + curves.length + samples.length > 0;
}
