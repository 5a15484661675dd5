import type { ResultManifest, RunRecord, Sources, StageRunRecord } from "../../schemas/records.ts";
import type { Store } from "../store/store.ts";

/** A result with what the record of its run says; the record may be gone, or another machine's. */
export interface ResultFacts extends Pick<ResultManifest, "resolvedKey" | "numerics" | "extent" | "runId"> {
  /** When it was finished, or where only the id of its run is left, when that run began. */
  readonly madeAt: string | undefined;
  readonly durationMs?: number;
  readonly host?: string;
  readonly device?: string;
  readonly pipeline?: string;
  readonly stage?: string;
}

export function describeResult(store: Store, manifest: ResultManifest): ResultFacts {
  const { resolvedKey, numerics, extent, runId } = manifest;
  const base = { resolvedKey, numerics, extent, runId };
  const found = findInRun(store, manifest);
  if (found === undefined) return { ...base, madeAt: startOf(runId) };
  const { run, id, stage } = found;
  const ended = stage.startedAt === null ? undefined : Date.parse(stage.startedAt) + stage.durationMs;
  return {
    ...base,
    madeAt: ended === undefined ? run.startedAt : new Date(ended).toISOString(),
    durationMs: stage.durationMs,
    host: run.host,
    pipeline: run.pipeline,
    stage: id,
    ...(stage.device === null ? {} : { device: stage.device.name }),
  };
}

/** What a result was made of besides its ingredients, if its run is on record. */
export function sourcesOfResult(store: Store, manifest: ResultManifest): Sources | undefined {
  return findInRun(store, manifest)?.stage.sources;
}

function findInRun(
  store: Store,
  { runId, resolvedKey }: ResultManifest,
): { run: RunRecord; id: string; stage: StageRunRecord } | undefined {
  const run = store.runs.read(runId);
  const found = Object.entries(run?.stages ?? {}).find(([, one]) =>
    one.state === "ran" && one.resolvedKey === resolvedKey
  );
  return run === undefined || found === undefined ? undefined : { run, id: found[0], stage: found[1] };
}

/** The ids of runs begin with the time of their start. */
function startOf(runId: string): string | undefined {
  const parts = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(\d{3})-/.exec(runId);
  if (parts === null) return undefined;
  const [, year, month, day, hour, minute, second, ms] = parts;
  return `${year}-${month}-${day}T${hour}:${minute}:${second}.${ms}Z`;
}
