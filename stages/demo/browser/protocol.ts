import type { WeightsName } from "../../../artifacts/checkpoint.ts";
import type { ImageSize } from "../../../artifacts/facts.ts";
import type { SamplerParam } from "../../shared/draw/sampler.ts";

/** What the page and those who draw for it, mostly workers, say to each other: plain data. */

/** The best first. */
export const BACKENDS = ["webgpu", "webgl", "wasm"] as const;
export type BackendName = typeof BACKENDS[number];

/** What is drawn: images of a seed, as `sample` draws them, or what one of these makes of its network. */
export interface Task {
  readonly seed: number;
  readonly sampler: SamplerParam;
  readonly guidance: number;
  /** As `sample` takes them. */
  readonly labels: "cycle" | "none" | number[];
  /** An image [H, W, C] of which a part is kept, 1 for each such number. */
  readonly inpaint?: { readonly image: Uint8Array<ArrayBuffer>; readonly kept: Uint8Array; readonly repeats: number };
  /** Points on the way from the noise of an image of the seed to that of another seed, both ends included. */
  readonly between?: { readonly seed: number; readonly image: number; readonly points: number };
}

/** What the page knows of the network. */
export interface Model {
  readonly images: ImageSize;
  /** Undefined for a network that is told no labels. */
  readonly classes: number | undefined;
  readonly timesteps: number;
  /** Those that fit, the default one first. */
  readonly samplers: readonly SamplerParam[];
}

/** What is embedded in the page. */
export interface Embedded {
  /** Of the checkpoint, by name. */
  readonly files: Readonly<Record<string, Uint8Array<ArrayBuffer>>>;
  readonly weights: WeightsName;
  readonly sampler: SamplerParam;
  /** TF.js's engine with SIMD. */
  readonly wasm: Uint8Array<ArrayBuffer>;
}

export type ToWorker =
  /** @param forced also software */
  | { readonly kind: "open"; readonly backend: BackendName; readonly forced: boolean; readonly embedded: Embedded }
  | { readonly kind: "draw"; readonly task: Task; readonly first: number; readonly count: number }
  | { readonly kind: "stop" };

/** Images [count, H, W, C] after `done` of `total` evaluations of the network: x_t, and the x_0 that it came of. */
export type Frame = Readonly<Record<"done" | "total", number> & Record<"x" | "x0", Uint8Array<ArrayBuffer>>>;

export type FromWorker =
  /** A worker's first word, for its page cannot see that it lives. */
  | { readonly kind: "ready" }
  | { readonly kind: "opened"; readonly on: string; readonly model: Model }
  | { readonly kind: "frame"; readonly frame: Frame }
  | { readonly kind: "drawn" | "stopped" }
  /** @param final no other backend would do better */
  | { readonly kind: "failed"; readonly message: string; readonly final: boolean };

/** A worker from both sides, or a port in its place where there are none. */
export interface Port<Sent, Got> {
  postMessage(message: Sent): void;
  onmessage: ((event: { readonly data: Got }) => unknown) | null;
}
