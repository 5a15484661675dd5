import type { TorchTensor } from "../../../../science/diffusion/interchange/tensors.ts";
import { decodeSafetensors } from "../../../../science/formats/safetensors.ts";

/** Networks that tests/peers/diffusers/check.py saved and ran with the real library, diffusers 0.42.1. */
export const FIXTURES = ["levels", "flipped", "labels", "defaults", "mixed"] as const;
export type Fixture = typeof FIXTURES[number];

const place = (fixture: Fixture, file: string) =>
  new URL(`../../../golden/diffusers/${fixture}/${file}`, import.meta.url);

export function fixtureJson(fixture: Fixture, file: string) {
  return JSON.parse(Deno.readTextFileSync(place(fixture, file)));
}

/** Returns the input x [B, C, H, W], t [B], the library's output [B, C, H, W] and its betas [T]. */
export function fixturePrediction(fixture: Fixture) {
  const { tensors } = decodeSafetensors(Deno.readFileSync(place(fixture, "prediction.safetensors")));
  const array = (name: string) => ({ shape: [...tensors[name]!.shape], data: Array.from(tensors[name]!.data, Number) });
  return { x: array("x"), t: array("t"), output: array("output"), betas: array("betas") };
}

/** Returns the weights that the library had: `formula_weights` of tests/peers/diffusers/check.py. */
export function formulaWeights(shapes: Readonly<Record<string, readonly number[]>>): Record<string, TorchTensor> {
  const names = Object.keys(shapes).sort();
  return Object.fromEntries(names.map((name, index) => {
    const shape = shapes[name]!;
    const fanIn = shape.slice(1).reduce((product, length) => product * length, 1);
    const scale = shape.length > 1 ? Math.sqrt(3 / fanIn) : 0.2;
    const offset = shape.length === 1 && name.includes("norm") && name.endsWith(".weight") ? 1 : 0;
    const data = new Float32Array(shape[0]! * fanIn);
    for (let i = 0; i < data.length; i++) data[i] = hashed(index, i) * scale + offset;
    return [name, { shape, data }];
  }));
}

/** Returns a number in [-1, 1): the finaliser of MurmurHash3. */
function hashed(index: number, position: number): number {
  let h = Math.imul(position + 1, 0x9E3779B1) ^ Math.imul(index + 1, 0x85EBCA77);
  h = Math.imul(h ^ h >>> 16, 0x85EBCA6B);
  h = Math.imul(h ^ h >>> 13, 0xC2B2AE35);
  return ((h ^ h >>> 16) >>> 0) / 2 ** 31 - 1;
}
