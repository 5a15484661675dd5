import type { Origins } from "../diagnostic/document.ts";
import type { Stage } from "../keys/stage.ts";

/** A pipeline that may be planned and run: only `loadPipeline` makes one. */
export interface Pipeline {
  readonly name: string;
  readonly seed: number;
  /** The file as the user named it. */
  readonly file: string;
  /** Folder of the pipeline file; relative paths in it start here. */
  readonly folder: string;
  readonly overrides: readonly string[];
  readonly profiles: readonly string[];
  /** Names of the profiles that the file has. */
  readonly knownProfiles: readonly string[];
  /** In an order in which every stage comes after those that it reads. */
  readonly stages: ReadonlyMap<string, Stage>;
  /** Children of a matrix, and the stages of a pipeline that is a stage, by the id that the file gives them together. */
  readonly families: ReadonlyMap<string, readonly string[]>;
  /** Stages of the file that are not there, each with why. */
  readonly leftOut: ReadonlyMap<string, string>;
  readonly origins: Origins;
}
