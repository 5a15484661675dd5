import { Command, Option } from "@commander-js/extra-typings";
import { dirname, resolve } from "node:path";
import {
  type Diagnostic,
  findStoreRoot,
  openStore,
  type Pipeline,
  PipelineCache,
  type Plan,
  Planner,
  planNothing,
  type PlanOptions,
  selectStages,
  type Store,
} from "noiseline/core";
import type { CliSettings } from "./settings.ts";
import { refuseWith } from "./io.ts";

export interface LoadArguments {
  readonly file: string;
  readonly set?: readonly string[] | undefined;
  readonly profile?: readonly string[] | undefined;
  readonly store?: string | undefined;
  readonly json?: boolean | undefined;
  /** Stages that the command names. */
  readonly targets?: readonly string[];
  readonly force?: readonly string[] | undefined;
}

export interface Loaded {
  readonly pipeline: Pipeline;
  readonly store: Store;
  readonly warnings: readonly Diagnostic[];
  /** Ids of the stages that were named: of a matrix, its children. */
  readonly targets: readonly string[];
  readonly force: readonly string[];
}

/** The store of a pipeline file and what is kept of the file there. */
export interface Opened {
  readonly store: Store;
  readonly cache: PipelineCache;
}

/** Open the store at a place, or end with exit code 2 where something else lies there. */
export function openStoreAt(root: string, json: boolean): Store {
  try {
    if (!Deno.statSync(root).isDirectory) {
      const fix = "give a folder with --store; it is created if needed";
      const message = `Cannot keep a store at ${root}: it is not a folder`;
      refuseWith([{ severity: "error", code: "file-unreadable", message, fix }], json);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return openStore(root);
}

export function openForCommand(settings: CliSettings, options: LoadArguments): Opened {
  const root = options.store === undefined ? findStoreRoot(dirname(resolve(options.file))) : resolve(options.store);
  const cache = new PipelineCache(options.file, {
    ...settings,
    overrides: options.set ?? [],
    profiles: options.profile ?? [],
  });
  return { store: openStoreAt(root, options.json ?? false), cache };
}

/** The plan where nothing is to be done and nothing to be said, had without loading the pipeline. */
export async function planNothingFor(
  { store, cache }: Opened,
  { targets = [], force = [] }: LoadArguments,
): Promise<Plan | undefined> {
  return force.length > 0 ? undefined : await planNothing(cache, store, targets);
}

/** Load a pipeline for a command, or say all that is wrong with it and end with exit code 2. */
export async function loadForCommand(
  settings: CliSettings,
  options: LoadArguments,
  { store, cache }: Opened = openForCommand(settings, options),
): Promise<Loaded> {
  const json = options.json ?? false;
  const loaded = await cache.load();
  if (!loaded.ok) refuseWith(loaded.diagnostics, json);
  const pipeline = loaded.value;
  const [targets, force] = [options.targets, options.force].map((names) => selectStages(pipeline, names ?? []));
  const unknown = [...targets!.problems, ...force!.problems];
  if (unknown.length > 0) refuseWith(unknown, json);
  await cache.keep();
  return { pipeline, store, warnings: loaded.warnings, targets: targets!.stages, force: force!.stages };
}

/** Make the planner of a loaded pipeline, or end with exit code 2. */
export function makePlanner({ pipeline, store }: Loaded, options: PlanOptions, json: boolean): Planner {
  const planner = Planner.make(pipeline, store, options);
  if (!planner.ok) refuseWith(planner.diagnostics, json);
  return planner.value;
}

/** Collects a repeatable option. Without a default, which the help would show as `[]`. */
export function collect(value: string, before: string[] = []): string[] {
  return [...before, value];
}

export const SET_OPTION = new Option("-s, --set <path=value>", "set a param, var or the seed; repeatable")
  .argParser(collect);
export const PROFILE_OPTION = new Option("-p, --profile <name>", "apply a profile of the file; repeatable")
  .argParser(collect);
export const STORE_OPTION = new Option(
  "--store <folder>",
  "folder of the results (default: .noiseline beside deno.json)",
);

/** A command about the pipeline in a file. */
export function pipelineCommand(name: string) {
  return new Command(name).argument("<file>", "pipeline file (.yaml or .ts)")
    .addOption(SET_OPTION).addOption(PROFILE_OPTION);
}
