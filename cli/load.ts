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
import { type Diagnostic, unknownTargets } from "noiseline";
import type { CliSettings } from "./settings.ts";
import { refuseWith } from "./io.ts";

export interface LoadArguments {
  readonly file: string;
  readonly set?: readonly string[];
  readonly store?: string | undefined;
  readonly json?: boolean | undefined;
  /** Stage ids that the command names. */
  readonly targets?: readonly string[];
}

export interface Loaded {
  readonly pipeline: Pipeline;
  readonly store: Store;
  readonly warnings: readonly Diagnostic[];
}

/** Load a pipeline for a command, or say all that is wrong with it and end with exit code 2. */
export async function loadForCommand(settings: CliSettings, options: LoadArguments): Promise<Loaded> {
  const json = options.json ?? false;
  const loaded = await loadPipeline(options.file, { kinds: settings.kinds, overrides: options.set ?? [] });
  if (!loaded.ok) refuseWith(loaded.diagnostics, json);
  const pipeline = loaded.value;
  const unknown = unknownTargets(pipeline, options.targets ?? []);
  if (unknown.length > 0) refuseWith(unknown, json);
  const root = options.store === undefined ? findStoreRoot(pipeline.folder) : resolve(options.store);
  return { pipeline, store: openStore(root), warnings: loaded.warnings };
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
