import type { Externals } from "../keys/externals.ts";
import { keyParams, type LocalIngredients, recipeKeyOf, type StageKeys } from "../keys/keys.ts";
import type { Stage } from "../keys/stage.ts";
import type { Pipeline } from "../pipeline/pipeline.ts";

/** What is known of a stage's keys before anything runs. */
export interface KnownKeys extends StageKeys {
  readonly local: LocalIngredients;
}

/** The keys of all stages of a pipeline. */
export class KeyBook {
  readonly #keys = new Map<string, KnownKeys>();

  /** @param externals of every stage, by id */
  constructor(pipeline: Pipeline, private readonly externals: ReadonlyMap<string, Externals>) {
    // Their order is that of the graph, so what a stage reads has its keys before it.
    for (const stage of pipeline.stages.values()) this.#keys.set(stage.id, this.#keysOf(stage));
  }

  of(id: string): KnownKeys {
    return this.#keys.get(id)!;
  }

  #keysOf(stage: Stage): KnownKeys {
    const { kind } = stage;
    const local: LocalIngredients = {
      kind: kind.custom ? "custom" : kind.name,
      version: kind.version,
      seed: kind.seeded ? stage.seed : null,
      params: keyParams(kind, stage.params),
      externals: this.externals.get(stage.id) ?? {},
    };
    const upstream: Record<string, { recipeKey: string; port: string }[]> = {};
    for (const [port, bindings] of Object.entries(stage.inputs)) {
      upstream[port] = bindings.map((one) => ({ recipeKey: this.of(one.stage).recipeKey, port: one.port }));
    }
    return { local, ...recipeKeyOf(local, upstream) };
  }
}
