import * as tf from "@tensorflow/tfjs-core";
import { z } from "zod";
import type { OwnDefinition } from "../../../engine/contract/stage.ts";
import { defineObjective, type FreeObjective, sortOf } from "../../../science/diffusion/define.ts";
import type { Sort } from "../../../schemas/definitions.ts";
import type { StageOutcome } from "../../support/stage_context.ts";

export const none = z.strictObject({});

export const vLike = defineObjective({
  params: none,
  target: ({ signal, noise }) => ({ x0: -noise, noise: signal }),
});

export const codeOf = (uses: string) => uses.charCodeAt(2).toString(16).repeat(32);
export const own = (definitions: Readonly<Record<string, unknown>>): OwnDefinition[] =>
  Object.entries(definitions).map(([uses, definition]) => ({
    sort: sortOf(definition) as Sort,
    uses,
    code: codeOf(uses),
    definition,
  }));

export const said = ({ end }: StageOutcome) => end?.status === "failed" ? end.message : `ended as ${end?.status}`;

/** The loss of eps written out, and further functions that a free loss may have. */
export const freeEps = (more: Partial<FreeObjective<typeof none>> = {}): FreeObjective<typeof none> =>
  defineObjective({
    params: none,
    loss: ({ predict, noise, xt, t }) => tf.mean(tf.square(tf.sub(noise, predict(xt, t))), [1, 2, 3]),
    recover: ({ signal, noise }) => ({ xt: 1 / signal, output: -noise / signal }),
    ...more,
  });
