import type { ArtifactType } from "../../schemas/artifacts.ts";
import type { Resources } from "../../schemas/pipeline_file.ts";
import type { Probe } from "../../contract/stage.ts";
import type { Kind } from "./kind.ts";

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
  /** Stages that must be done before it, though it reads nothing of them. In no key. */
  readonly needs: readonly string[];
  /** Root of its randomness: its own, or the pipeline's. */
  readonly seed: number;
  readonly resources: Resources;
  readonly timeoutMs: number | undefined;
  readonly retries: number;
  /** For a stage that goes on with one of several others: which, a selection says once it is there. */
  readonly choice?: StageChoice;
  /** Arithmetic that the whole stage does, where its kind can tell. */
  readonly workGflop: number | undefined;
  /** Work of another stage that has the same, or numbers near to these, goes at the same pace. */
  readonly workShape?: readonly number[] | undefined;
  readonly probe?: Probe | undefined;
  /** The same for stages that differ in their extent alone, and read as much: they take the same time for each unit. */
  readonly likeness?: string | undefined;
}

/** What a stage may turn out to be. Until that is known its first candidate stands for it. */
export interface StageChoice {
  /** The output that ranks the candidates. */
  readonly ranking: { readonly stage: string; readonly port: string };
  /** The place in the ranking: 0 for the best. */
  readonly place: number;
  /** In the order of the list that is ranked: the stage to go on with, and what this one then is. */
  readonly candidates: readonly { readonly id: string; readonly stage: Stage }[];
}

/** How many graphics cards a stage wants. */
export function cardsOf({ gpu = 0 }: Resources): number {
  return gpu === "required" ? 1 : gpu;
}

/** The stages that must be done before a stage can run. */
export function predecessorsOf({ inputs, needs }: Pick<Stage, "inputs" | "needs">): string[] {
  return [...Object.values(inputs).flat().map(({ stage }) => stage), ...needs];
}

/** Stages of one family differ in extent alone: the longer continue the shorter. */
export function familyOf({ entry, choice }: Pick<Stage, "entry" | "choice">): string {
  return choice === undefined ? entry : `${choice.ranking.stage}.${choice.ranking.port} ${choice.place}`;
}

/** The stages whose rankings decide what a stage is. */
export function rankingsOf({ choice }: Pick<Stage, "choice">): string[] {
  if (choice === undefined) return [];
  return [...new Set([choice.ranking.stage, ...choice.candidates.flatMap(({ stage }) => rankingsOf(stage))])];
}

/** A stage at another extent, whatever it may turn out to be. @param name of the param that is its extent */
export function atExtent(base: Stage, id: string, name: string, extent: number): Stage {
  const { choice, ...rest } = base;
  const stage = { ...rest, id, params: { ...base.params, [name]: extent }, extent };
  if (choice === undefined) return stage;
  const candidates = choice.candidates.map((one) => ({ ...one, stage: atExtent(one.stage, id, name, extent) }));
  return { ...stage, choice: { ...choice, candidates } };
}
