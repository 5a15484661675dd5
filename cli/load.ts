import { resolve } from "node:path";
import {
  findStoreRoot,
  loadPipeline,
  openStore,
  type Pipeline,
  Planner,
  type PlanOptions,
  type Store,
} from "noiseline";
import { type Diagnostic, selectStages } from "noiseline";
import type { CliSettings } from "./settings.ts";
import { refuseWith } from "./io.ts";

export interface LoadArguments {
  readonly file: string;
  readonly set?: readonly string[];
  readonly profile?: readonly string[];
  readonly store?: string | undefined;
  readonly json?: boolean | undefined;
  /** Stages that the command names. */
  readonly targets?: readonly string[];
  readonly force?: readonly string[];
}

export interface Loaded {
  readonly pipeline: Pipeline;
  readonly store: Store;
  readonly warnings: readonly Diagnostic[];
  /** Ids of the stages that were named: of a matrix, its children. */
  readonly targets: readonly string[];
  readonly force: readonly string[];
}

/** Load a pipeline for a command, or say all that is wrong with it and end with exit code 2. */
export async function loadForCommand(settings: CliSettings, options: LoadArguments): Promise<Loaded> {
  const json = options.json ?? false;
  const loaded = await loadPipeline(options.file, {
    kinds: settings.kinds,
    overrides: options.set ?? [],
    profiles: options.profile ?? [],
  });
  if (!loaded.ok) refuseWith(loaded.diagnostics, json);
  const pipeline = loaded.value;
  const [targets, force] = [options.targets, options.force].map((names) => selectStages(pipeline, names ?? []));
  const unknown = [...targets!.problems, ...force!.problems];
  if (unknown.length > 0) refuseWith(unknown, json);
  const root = options.store === undefined ? findStoreRoot(pipeline.folder) : resolve(options.store);
  const store = openStore(root);
  return { pipeline, store, warnings: loaded.warnings, targets: targets!.stages, force: force!.stages };
}

/** Make the planner of a loaded pipeline, or end with exit code 2. */
export function makePlanner({ pipeline, store }: Loaded, options: PlanOptions, json: boolean): Planner {
  const planner = Planner.make(pipeline, store, options);
  if (!planner.ok) refuseWith(planner.diagnostics, json);
  return planner.value;
}

/** Collects a repeatable option. */
export function collect(value: string, before: string[]): string[] {
  return [...before, value];
}
