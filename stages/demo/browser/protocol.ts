import type { ImageSize } from "../../../artifacts/facts.ts";
import type { Labels } from "../../../artifacts/labels.ts";
import type { SamplerParam } from "../../shared/draw/sampler.ts";

/** The backends, best first. The page and its workers exchange plain data, whose types are in this file. */
export const BACKENDS = ["webgpu", "webgl", "wasm"] as const;
/** Maximum number of frames per image, besides the last; more would not make its slider better. */
export const MOST_FRAMES = 100;
export type BackendName = typeof BACKENDS[number];

/** A sampling task: images of a seed, as `sample` makes them, or an inpainting or interpolation from the same noise. */
export interface Task {
  readonly seed: number;
  readonly sampler: SamplerParam;
  readonly guidance: number;
  /** As in params of `sample`. */
  readonly labels: "cycle" | "none" | number[];
  /** To inpaint: an image's bytes or its latents, and a mask [H, W, C] that is 1 for each number to keep. */
  readonly inpaint?: {
    readonly image: Uint8Array<ArrayBuffer> | Float32Array;
    readonly kept: Uint8Array<ArrayBuffer>;
  };
  /**
   * To interpolate: points between the noise of one of the seed's images and that of another seed, both ends included.
   */
  readonly way?: { readonly to: number; readonly image: number; readonly points: number };
}

/** The data in the page beside its code: JSON in the element `demo-data`. */
export interface DemoData {
  /** The checkpoint's files for one of its weights, by name, in base64. */
  readonly files: Readonly<Record<string, string>>;
  /** The files of an autoencoder with raw weights, as `files`, if the network samples latents. */
  readonly decoder?: Readonly<Record<string, string>>;
  readonly weights: string;
  /** TF.js's engine in base64, with SIMD and without threads. */
  readonly wasm: string;
  readonly model: Model;
  /** The task at the start, and how many of its images. */
  readonly start: Pick<Batch, "task" | "count">;
  /** Images of that task that were sampled beforehand, from noise to the end. */
  readonly made: readonly StoredFrame[];
}

/**
 * Facts about the network for the page: `classes` if the network is class-conditional, and the samplers that fit the
 * network, the given one first.
 */
export interface Model extends Partial<Labels> {
  readonly images: ImageSize;
  readonly timesteps: number;
  readonly samplers: readonly SamplerParam[];
}

/** A part of a task: some of its images. */
export interface Batch {
  readonly task: Task;
  readonly first: number;
  readonly count: number;
}

export type ToWorker =
  /** @param forced true to accept a software renderer as well, which is slower than WebAssembly */
  | { readonly kind: "open"; readonly backend: BackendName; readonly forced: boolean; readonly data: DemoData }
  | { readonly kind: "draw" } & Batch
  | { readonly kind: "stop" };

/**
 * Images [count, H, W, C] after `done` of `total` evaluations of the network: x_t, and the x_0 that x_t was computed
 * from. Of latents they are decoded, and `latents` are those of `x0`, as the network sees them.
 */
export type Frame = Readonly<
  & Record<"done" | "total", number>
  & Record<"x" | "x0", Uint8Array<ArrayBuffer>>
  & { latents?: Float32Array }
>;

/** A frame of the images from `first` on, its arrays in base64. */
export type StoredFrame =
  & Readonly<Record<"first" | "done" | "total", number> & Record<"x" | "x0", string>>
  & { readonly latents?: string };

export type FromWorker =
  /** `ready` is a worker's first message: the page has no other way to see that the worker has started. */
  | { readonly kind: "ready" | "drawn" }
  | { readonly kind: "opened"; readonly on: string }
  | { readonly kind: "frame"; readonly frame: Frame }
  /** @param final true if no other backend would do better */
  | { readonly kind: "failed"; readonly message: string; readonly final: boolean };

export function frameOf({ x, x0, latents, ...frame }: StoredFrame): Frame {
  const numbers = latents && { latents: new Float32Array(bytesOf(latents).buffer) };
  return { ...frame, x: bytesOf(x), x0: bytesOf(x0), ...numbers };
}

export function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}

/** A worker, seen from either side. */
export interface Port<Sent, Got> {
  postMessage(message: Sent): void;
  onmessage: ((event: MessageEvent<Got>) => unknown) | null;
}
