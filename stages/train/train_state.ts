import { splitLog, type TrainLog } from "../../artifacts/log.ts";
import type { SavedState } from "../../contract/stage.ts";
import type { LossHistory } from "../../diffusion/loss_aware_timesteps.ts";
import type { UnetConfig } from "../../diffusion/unet/config.ts";
import { initParameters, packParameters } from "../../diffusion/unet/pack.ts";
import { randomStream } from "../../tensor/mod.ts";
import { readVectors, vectorFiles, vectorOf } from "../shared/saved_vectors.ts";

/** What a step reads and writes, flat [P]: weights, Adam's moments, averaged weights. */
export type TrainVectors = Record<"params" | "m" | "v" | "ema", Float32Array<ArrayBuffer>>;

/** All that training needs to go on, besides its inputs. */
export interface TrainState {
  /** Updates done. */
  readonly step: number;
  readonly vectors: TrainVectors;
  readonly log: TrainLog;
  /** Where timesteps are drawn by their losses. */
  readonly timestepLosses?: LossHistory;
}

const STATE_FILE = "state.safetensors";
const LOG_FILE = "log.jsonl";

/** The weights before the first step, flat [P]. */
export function initialWeights(config: UnetConfig, seed: number): Float32Array<ArrayBuffer> {
  const stream = randomStream({ seed, stream: "train/init" });
  let kernel = 0;
  // Uniforms in [0, 1) become those in (0, 1] that the initialisation asks for.
  const uniforms = (_name: string, count: number) => {
    const values = stream.uniform(kernel++, count);
    for (let i = 0; i < count; i++) values[i] = 1 - values[i]!;
    return values;
  };
  return packParameters(initParameters(config, uniforms), config);
}

/** The state before the first step. The averaged weights start as the weights. */
export function initialState(config: UnetConfig, seed: number): TrainState {
  const params = initialWeights(config, seed);
  const zeros = () => new Float32Array(params.length);
  return { step: 0, vectors: { params, m: zeros(), v: zeros(), ema: params.slice() }, log: [] };
}

export function encodeState({ step, vectors, log, timestepLosses }: TrainState): Record<string, Uint8Array> {
  const { losses, counts } = timestepLosses ?? {};
  return {
    ...vectorFiles(STATE_FILE, { ...vectors, timestepLosses: losses, timestepCounts: counts }, { step: `${step}` }),
    [LOG_FILE]: new TextEncoder().encode(log.join("")),
  };
}

/** @throws FormatError or Error when the files are not those of `encodeState` for a network of P parameters. */
export async function decodeState(saved: SavedState, parameters: number): Promise<TrainState> {
  const { vectors, metadata } = await readVectors(saved, STATE_FILE);
  if (metadata["step"] !== `${saved.step}`) {
    throw new Error(`${STATE_FILE}: got step ${metadata["step"]}, wanted ${saved.step}`);
  }
  const vector = (name: keyof TrainVectors) =>
    vectorOf(vectors, name, { file: STATE_FILE, type: Float32Array, length: parameters });
  const { timestepLosses: losses, timestepCounts: counts } = vectors;
  return {
    step: saved.step,
    vectors: { params: vector("params"), m: vector("m"), v: vector("v"), ema: vector("ema") },
    log: splitLog(new TextDecoder().decode(await saved.read(LOG_FILE))),
    ...(losses instanceof Float32Array && counts instanceof Int32Array ? { timestepLosses: { losses, counts } } : {}),
  };
}
