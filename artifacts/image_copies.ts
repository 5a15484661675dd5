import type { OutputArtifact } from "../engine/contract/stage.ts";
import type { Values } from "../science/diffusion/normalizer.ts";
import { encodeNpz } from "../science/formats/npz.ts";
import { encodePng } from "../science/formats/png_encoder.ts";
import { range } from "../science/metrics/vectors.ts";
import { definedOnly } from "../std/defined_only.ts";

interface Copied {
  /** [N, H, W, C]. */
  readonly shape: readonly [number, number, number, number];
  readonly labels: Uint8Array | Uint16Array | undefined;
  readonly rows: (indices: ArrayLike<number>) => Values;
}

/** Writes images in formats for other programs. An npz is made in memory. */
export async function writeCopies(
  output: OutputArtifact,
  { shape, labels, rows }: Copied,
  formats: readonly ("png" | "npz")[],
): Promise<void> {
  const [count, height, width, channels] = shape;
  if (formats.includes("npz")) {
    // Order and names are those that openai/guided-diffusion's evaluator takes.
    const arr_0 = { shape, data: rows(range(0, count)) };
    await output.write(
      "samples.npz",
      encodeNpz(definedOnly({ arr_0, arr_1: labels && { shape: [count], data: labels } })),
    );
  }
  for (let i = 0; formats.includes("png") && channels <= 4 && i < count; i++) {
    const data = rows([i]);
    if (data instanceof Float32Array) break;
    await output.write(`images/${String(i).padStart(6, "0")}.png`, encodePng({ height, width, channels, data }));
  }
}
