import type { LossHistory } from "../../diffusion/loss_aware_timesteps.ts";
import type { UnetConfig } from "../../diffusion/unet/config.ts";
import { initParameters, packParameters } from "../../diffusion/unet/pack.ts";
import { decodeSafetensors, encodeSafetensors, type SafetensorsTensor } from "../../formats/safetensors.ts";
import { randomStream } from "../../tensor/mod.ts";
import type { SavedState } from "../../contract/stage.ts";
import { parseLog, type TrainLog } from "../../artifacts/log.ts";

/** What a step reads and writes, flat [P]: weights, Adam's moments, averaged weights. */
export type TrainVectors = Record<(typeof VECTORS)[number], Float32Array<ArrayBuffer>>;

/** All that training needs to go on, besides its inputs. */
export interface TrainState {
  /** Updates done. */
  readonly step: number;
  readonly vectors: TrainVectors;
  readonly log: TrainLog;
  /** Where timesteps are drawn by their losses. */
  readonly timestepLosses?: LossHistory;
}

const VECTORS = ["params", "m", "v", "ema"] as const;
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
  const tensors: Record<string, SafetensorsTensor> = Object.fromEntries(
    VECTORS.map((name) => [name, { dtype: "F32" as const, shape: [vectors[name].length], data: vectors[name] }]),
  );
  if (timestepLosses !== undefined) {
    const { losses, counts } = timestepLosses;
    tensors["timestepLosses"] = { dtype: "F32", shape: [losses.length], data: losses };
    tensors["timestepCounts"] = { dtype: "I32", shape: [counts.length], data: counts };
  }
  return {
    [STATE_FILE]: encodeSafetensors({ tensors, metadata: { step: `${step}` } }),
    [LOG_FILE]: new TextEncoder().encode(log.join("")),
  };
}

/** @throws FormatError or Error when the files are not those of `encodeState` for a network of P parameters. */
export async function decodeState(saved: SavedState, parameters: number): Promise<TrainState> {
  const { tensors, metadata } = decodeSafetensors(await saved.read(STATE_FILE));
  if (metadata["step"] !== `${saved.step}`) {
    throw new Error(`${STATE_FILE}: got step ${metadata["step"]}, wanted ${saved.step}`);
  }
  const vector = (name: string) => {
    const data = tensors[name]?.data;
    if (!(data instanceof Float32Array) || data.length !== parameters) {
      throw new Error(`${STATE_FILE}, tensor ${name}: got ${data?.length ?? "none"}, wanted ${parameters} F32 numbers`);
    }
    return data;
  };
  const vectors = { params: vector("params"), m: vector("m"), v: vector("v"), ema: vector("ema") };
  const [losses, counts] = [tensors["timestepLosses"]?.data, tensors["timestepCounts"]?.data];
  return {
    step: saved.step,
    vectors,
    log: parseLog(new TextDecoder().decode(await saved.read(LOG_FILE))),
    ...(losses instanceof Float32Array && counts instanceof Int32Array ? { timestepLosses: { losses, counts } } : {}),
  };
}
