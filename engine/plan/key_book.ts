import type { Selection } from "../../schemas/selection.ts";
import type { Externals } from "../keys/externals.ts";
import { choiceRecipeKey, keyParams, type LocalIngredients, recipeKeyOf, type StageKeys } from "../keys/keys.ts";
import type { Stage, StageChoice } from "../keys/stage.ts";
import type { Pipeline } from "../pipeline/pipeline.ts";

/** What is known of a stage's keys before anything runs. */
export interface KnownKeys extends StageKeys {
  readonly local: LocalIngredients;
}

/** A stage that is known to be what it is. */
export interface Chosen extends KnownKeys {
  readonly stage: Stage;
  /** The stage that it goes on with, where a selection said so. */
  readonly continues: { readonly continues?: string };
}

/** What an output ranks; undefined while that is not there. */
export type RankingOf = (ranking: StageChoice["ranking"]) => Selection["ranking"] | undefined;

/** The keys of all stages of a pipeline. */
export class KeyBook {
  /** Of all stages, and of all that those may be which go on with one of several. */
  readonly #keys = new Map<Stage, KnownKeys>();

  /** @param externals of every stage, by id */
  constructor(private readonly pipeline: Pipeline, private readonly externals: ReadonlyMap<string, Externals>) {
    for (const stage of pipeline.stages.values()) this.#add(stage, stage.id);
  }

  of(id: string): KnownKeys {
    return this.#keys.get(this.pipeline.stages.get(id)!)!;
  }

  /**
   * What a stage is: itself, or what rankings make of it. Undefined while it takes a ranking that is not there.
   * @param continues the stage that it goes on with, where that is known already
   */
  choose(stage: Stage, rankingOf: RankingOf, continues?: string): Chosen | undefined {
    const { choice } = stage;
    if (choice === undefined) {
      return { stage, ...this.#keys.get(stage)!, continues: continues === undefined ? {} : { continues } };
    }
    const candidate = rankingOf(choice.ranking)?.[choice.place]?.candidate;
    const found = candidate === undefined ? undefined : choice.candidates[candidate];
    // What was chosen from may itself go on with something that was chosen.
    return found && this.choose(found.stage, rankingOf, continues ?? found.id);
  }

  #add(stage: Stage, id: string): KnownKeys {
    const { choice } = stage;
    if (choice === undefined) {
      const keys = this.#keysOf(stage, id);
      this.#keys.set(stage, keys);
      return keys;
    }
    const choices = choice.candidates.map((one) => this.#add(one.stage, one.id));
    const recipeKey = choiceRecipeKey({
      ranking: { recipeKey: this.of(choice.ranking.stage).recipeKey, port: choice.ranking.port },
      place: choice.place,
      candidates: choices.map((one) => one.recipeKey),
    });
    const keys = { ...choices[0]!, recipeKey };
    this.#keys.set(stage, keys);
    return keys;
  }

  /** @param id of the stage that says what is read from outside */
  #keysOf(stage: Stage, id: string): KnownKeys {
    const { kind } = stage;
    const local: LocalIngredients = {
      kind: kind.custom ? "custom" : kind.name,
      version: kind.version,
      seed: kind.seeded ? stage.seed : null,
      params: keyParams(kind, stage.params),
      externals: this.externals.get(id) ?? {},
    };
    const upstream: Record<string, { recipeKey: string; port: string }[]> = {};
    for (const [port, bindings] of Object.entries(stage.inputs)) {
      upstream[port] = bindings.map((one) => ({ recipeKey: this.of(one.stage).recipeKey, port: one.port }));
    }
    return { local, ...recipeKeyOf(local, upstream) };
  }
}
