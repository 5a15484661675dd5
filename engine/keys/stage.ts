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
  /** Arithmetic that the whole stage does, where its kind can tell. */
  readonly workGflop: number | undefined;
  /** Work of another stage that has the same, or numbers near to these, goes at the same pace. */
  readonly workShape?: readonly number[] | undefined;
  readonly probe?: Probe | undefined;
  /** The same for stages that differ in their extent alone, and read as much: they take the same time for each unit. */
  readonly likeness?: string | undefined;
}

/** How many graphics cards a stage wants. */
export function cardsOf({ gpu = 0 }: Resources): number {
  return gpu === "required" ? 1 : gpu;
}

/** The stages that must be done before a stage can run. */
export function predecessorsOf({ inputs, needs }: Pick<Stage, "inputs" | "needs">): string[] {
  return [...Object.values(inputs).flat().map(({ stage }) => stage), ...needs];
}

/** Of stages that differ in extent alone, the id of the next shorter one: it runs first, and the longer continues it. */
export function shorterOf(stages: Iterable<Stage>): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const withExtent = [...stages].filter(({ extent }) => extent !== undefined);
  for (const family of Map.groupBy(withExtent, ({ entry }) => entry).values()) {
    family.sort((a, b) => a.extent! - b.extent!);
    for (let i = 1; i < family.length; i++) found.set(family[i]!.id, family[i - 1]!.id);
  }
  return found;
}
