/**
 * The cached executor as a library: plan and run a pipeline of your own stages from TypeScript. It knows nothing of
 * diffusion, and a pipeline that it runs uses stages of files only (`uses: ./count.ts`).
 *
 * @example Run a pipeline
 * ```ts ignore
 * import { runPipeline } from "@noiseline/noiseline/engine";
 *
 * const { status, stages } = await runPipeline("words.yaml");
 * console.log(status, stages.count.state);
 * ```
 *
 * @module
 */
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type * as library from "../engine/library.ts";
import { ensureLocalCopy } from "./files.ts";

export * from "../engine/contract/mod.ts";
export type { PlannedState } from "../engine/plan/plan.ts";
export type { RunStatus, StageEndState } from "../engine/run/events.ts";
export type { PipelineOptions, PlannedStage, RunEvent, RunOptions, RunResult, StageResult } from "../engine/library.ts";
export type { Sort } from "../schemas/definitions.ts";
export { ARTIFACT_TYPES, type ArtifactType, type WantedArtifact } from "../schemas/artifacts.ts";
export { execution, extent, externalFile, legacy, type Schema } from "../schemas/roles.ts";
export type { FileEntry, Resources, StagePermissions } from "../schemas/types.ts";

async function load(): Promise<typeof library> {
  return await import(pathToFileURL(join(await ensureLocalCopy(), "engine/library.ts")).href);
}

/**
 * Finds out what a run would do with each stage, and why. Writes nothing.
 * @throws Error with all problems of the file
 */
export async function planPipeline(
  file: string,
  options: library.PipelineOptions = {},
): Promise<Record<string, library.PlannedStage>> {
  return await (await load()).planPipeline(file, options);
}

/**
 * Runs the stages of a pipeline whose inputs have changed, in dependency order, each in a process of its own. Results
 * are kept in `.noiseline/` beside the file, and shown in `outputs/`.
 * @throws Error with all problems of the file, before anything runs; a stage that fails is reported in the result
 */
export async function runPipeline(file: string, options: library.RunOptions = {}): Promise<library.RunResult> {
  return await (await load()).runPipeline(file, options);
}
