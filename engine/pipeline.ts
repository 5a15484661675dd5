import type { ArtifactType } from "../schemas/artifacts.ts";
import type { Resources } from "../schemas/pipeline_file.ts";
import type { Kind } from "./kind.ts";
import type { Origins } from "./load/origin.ts";

/** One input of a stage, bound to an output of another. */
export interface Binding {
  readonly stage: string;
  readonly port: string;
  readonly type: ArtifactType;
}

/** A stage whose kind, params and inputs have been checked. */
export interface Stage {
  /** `train`, or `train@2000` for the same stage at another extent. */
  readonly id: string;
  /** The entry of the file that it comes from: `train` for both. */
  readonly entry: string;
  readonly kind: Kind;
  readonly params: Readonly<Record<string, unknown>>;
  readonly extent: number | undefined;
  readonly inputs: Readonly<Record<string, readonly Binding[]>>;
  readonly resources: Resources;
  readonly timeoutMs: number | undefined;
  readonly retries: number;
  /** Arithmetic that the whole stage does, where its kind can tell. */
  readonly workGflop: number | undefined;
}

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
  /** In an order in which every stage comes after those that it reads. */
  readonly stages: ReadonlyMap<string, Stage>;
  /** Children of a matrix by the id that the file gives their stage. */
  readonly families: ReadonlyMap<string, readonly string[]>;
  readonly origins: Origins;
}
