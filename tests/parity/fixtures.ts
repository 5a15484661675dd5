import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { AutoencoderLossOptions } from "../../science/diffusion/autoencoder/loss.ts";
import type { UnetConfig } from "../../science/diffusion/unet/config.ts";
import { decodeSafetensors, type SafetensorsTensor } from "../../science/formats/safetensors.ts";

const FOLDER = fileURLToPath(new URL("../golden/parity/", import.meta.url));

/** Files of `tests/golden/parity`, as dev/parity/make_fixtures.py names them. */
export const FIXTURE_GROUPS = [
  "elementwise",
  "movement",
  "reductions",
  "convolutions",
  "core",
  "blocks",
  "diffusion",
  "autoencoder",
  "network",
  "training",
] as const;

export type FixtureGroup = typeof FIXTURE_GROUPS[number];

/** Arguments of an operation besides its tensors; the operation determines which of them exist. */
export interface Attributes {
  /** For a case of an op of TF.js itself: the arguments of the call. */
  readonly args?: readonly unknown[];
  readonly axis: number | number[];
  readonly keepDims: boolean;
  readonly sizes: number[];
  readonly begin: number[];
  readonly size: number[];
  readonly paddings: [number, number][];
  readonly value: number;
  readonly perm: number[];
  readonly reps: number[];
  readonly low: number;
  readonly high: number;
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
  readonly stride: 1 | 2;
  readonly padding: "same" | "valid";
  readonly width: number;
  readonly shape: number[];
  readonly site: number;
  readonly rate: number;
  readonly config: UnetConfig;
  readonly options: Partial<AutoencoderLossOptions>;
  readonly learningRate: number;
  readonly clipNorm: number;
  readonly emaDecay: number;
}

/** One operation on one set of inputs, with the results of PyTorch in float64. */
export interface ParityCase {
  readonly name: string;
  readonly op: string;
  readonly attributes: Attributes;
  /** float32 and int32. With a `cotangent`, the gradients of sum(y * cotangent) are computed as well. */
  readonly inputs: Readonly<Record<string, SafetensorsTensor>>;
  /** float64. */
  readonly outputs: Readonly<Record<string, ExpectedOutput>>;
}

export interface ExpectedOutput {
  readonly shape: readonly number[];
  readonly data: Float64Array;
  /** Terms of the longest sum behind one number. */
  readonly terms: number;
  /** The scale that errors are measured against: see `sensitivity` in dev/parity/fixture.py. */
  readonly scale: number;
}

interface CaseFacts {
  readonly name: string;
  readonly op: string;
  readonly attributes: Attributes;
  readonly terms: Readonly<Record<string, number>>;
  readonly scale: Readonly<Record<string, number>>;
}

/** Loads the cases of one file, in the order in which they were made. */
export async function loadCases(group: FixtureGroup): Promise<ParityCase[]> {
  const { tensors, metadata } = decodeSafetensors(await Deno.readFile(join(FOLDER, `${group}.safetensors`)));
  const facts = JSON.parse(metadata["cases"]!) as CaseFacts[];
  return facts.map(({ name, op, attributes, terms, scale }) => {
    const part = (role: string): [string, SafetensorsTensor][] => {
      const prefix = `${name}/${role}/`;
      return Object.entries(tensors).flatMap(([key, tensor]) =>
        key.startsWith(prefix) ? [[key.slice(prefix.length), tensor]] : []
      );
    };
    const outputs = part("output").map(([key, { shape, data }]): [string, ExpectedOutput] => {
      if (!(data instanceof Float64Array)) throw new Error(`Cannot happen: output ${key} of ${name} is no float64.`);
      return [key, { shape, data, terms: terms[key]!, scale: scale[key]! }];
    });
    return { name, op, attributes, inputs: Object.fromEntries(part("input")), outputs: Object.fromEntries(outputs) };
  });
}
