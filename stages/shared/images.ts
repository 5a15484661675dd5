import { z } from "zod";
import { imageGrid } from "../../formats/image_grid.ts";
import type { NpyArray } from "../../formats/npy.ts";
import { encodeNpz } from "../../formats/npz.ts";
import { encodePng } from "../../formats/png.ts";
import { decodeSafetensors, encodeSafetensors, type SafetensorsTensor } from "../../formats/safetensors.ts";
import type { InputArtifact, OutputArtifact } from "../contract.ts";
import { jsonText } from "./json_text.ts";

/** Artifacts of types `images` and `samples`: `images.safetensors`, `images.json` and a picture of the first few. */
const TENSORS_FILE = "images.safetensors";
const INFO_FILE = "images.json";

const PICTURED = 64;

const size = z.int().min(1);

export const imagesInfoSchema = z.strictObject({
  count: size,
  height: size,
  width: size,
  channels: size,
  /** Labels are in [0, classes); null without labels. */
  classes: size.nullable(),
  /** Where they come from, in clear. */
  source: z.record(z.string(), z.unknown()),
});

export type ImagesInfo = z.output<typeof imagesInfoSchema>;

export interface StoredImages {
  readonly info: ImagesInfo;
  /** [N, H, W, C] row-major. */
  readonly pixels: Uint8Array<ArrayBuffer>;
  readonly shape: readonly [number, number, number, number];
  /** [N]; undefined without labels. */
  readonly labels: Uint8Array<ArrayBuffer> | undefined;
}

export interface ImagesToWrite {
  readonly info: ImagesInfo;
  /** [N, H, W, C] row-major. */
  readonly pixels: Uint8Array<ArrayBuffer>;
  readonly labels?: Uint8Array<ArrayBuffer>;
  /** File name of the picture of the first 64. */
  readonly picture: string;
  /** Also in these forms, for other programs. */
  readonly files?: readonly ("png" | "npz")[];
}

export async function writeImages(output: OutputArtifact, images: ImagesToWrite): Promise<void> {
  const { info, pixels, labels, picture, files = [] } = images;
  const { count, height, width, channels } = info;
  const tensors: Record<string, SafetensorsTensor> = {
    images: { dtype: "U8", shape: [count, height, width, channels], data: pixels },
  };
  if (labels !== undefined) tensors["labels"] = { dtype: "U8", shape: [count], data: labels };
  await output.write(TENSORS_FILE, encodeSafetensors({ tensors }));
  await output.write(INFO_FILE, jsonText(imagesInfoSchema.parse(info)));
  if (files.includes("npz")) await output.write("samples.npz", encodeNpz(npzArrays(images)));
  if (!canBePng(channels)) return;
  if (files.includes("png")) {
    const size = height * width * channels;
    for (let i = 0; i < count; i++) {
      const data = pixels.slice(i * size, (i + 1) * size);
      await output.write(`images/${String(i).padStart(6, "0")}.png`, encodePng({ height, width, channels, data }));
    }
  }
  const shown = Math.min(count, PICTURED);
  const first = pixels.subarray(0, shown * height * width * channels);
  await output.write(picture, encodePng(imageGrid(first, [shown, height, width, channels])));
}

/** Arrays in the order and under the names that openai/guided-diffusion's evaluator takes. */
function npzArrays({ info, pixels, labels }: ImagesToWrite): Record<string, NpyArray> {
  const { count, height, width, channels } = info;
  return {
    arr_0: { shape: [count, height, width, channels], data: pixels },
    ...(labels === undefined ? {} : { arr_1: { shape: [count], data: labels } }),
  };
}

/** A PNG of two or of more than four channels does not exist. */
export function canBePng(channels: number): boolean {
  return channels === 1 || channels === 3;
}

/** @throws FormatError, ZodError or Error when the artifact's files are not those of `writeImages`. */
export async function readImages(artifact: InputArtifact): Promise<StoredImages> {
  const info = imagesInfoSchema.parse(JSON.parse(await artifact.readText(INFO_FILE)));
  const { tensors } = decodeSafetensors(await artifact.read(TENSORS_FILE));
  const { count, height, width, channels } = info;
  const shape = [count, height, width, channels] as const;
  const pixels = bytesOf(tensors["images"], "images", shape);
  const labels = tensors["labels"] === undefined ? undefined : bytesOf(tensors["labels"], "labels", [count]);
  return { info, pixels, shape, labels };
}

function bytesOf(tensor: SafetensorsTensor | undefined, name: string, shape: readonly number[]) {
  if (!(tensor?.data instanceof Uint8Array) || tensor.shape.join() !== shape.join()) {
    const got = tensor === undefined ? "none" : `${tensor.dtype} [${tensor.shape}]`;
    throw new Error(`${TENSORS_FILE}, tensor ${name}: got ${got}, wanted U8 [${shape}]`);
  }
  return tensor.data;
}
