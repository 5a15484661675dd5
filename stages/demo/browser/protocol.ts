import type { WeightsName } from "../../../artifacts/checkpoint.ts";
import type { ImageSize } from "../../../artifacts/facts.ts";
import type { Labels } from "../../../artifacts/labels.ts";
import type { SamplerParam } from "../../shared/draw/sampler.ts";

/** What the page and those who draw for it say to each other: plain data. The best backend first. */
export const BACKENDS = ["webgpu", "webgl", "wasm"] as const;
export type BackendName = typeof BACKENDS[number];

/** What is drawn: images of a seed, as `sample` draws them, or what else can be made of its noise. */
export interface Task {
  readonly seed: number;
  readonly sampler: SamplerParam;
  readonly guidance: number;
  /** As `sample` takes them. */
  readonly labels: "cycle" | "none" | number[];
  /** An image [H, W, C] of which a part is kept, 1 for each such number. */
  readonly inpaint?: { readonly image: Uint8Array<ArrayBuffer>; readonly kept: Uint8Array<ArrayBuffer> };
  /** Points on the way from the noise of an image of the seed to that of another seed, both ends included. */
  readonly way?: { readonly to: number; readonly image: number; readonly points: number };
}

/** What is in the page beside its code: JSON in the element `demo-data`. */
export interface DemoData {
  /** Files of the checkpoint in base64, by name: those of one of its weights. */
  readonly files: Readonly<Record<string, string>>;
  readonly weights: WeightsName;
  /** TF.js's engine in base64, with SIMD and without threads. */
  readonly wasm: string;
  readonly defaults: Pick<Task, "seed" | "sampler" | "guidance"> & { readonly count: number };
}

/** What the page knows of the network: `classes` where it is told labels, and the samplers that fit, the given one first. */
export interface Model extends Partial<Labels> {
  readonly images: ImageSize;
  readonly timesteps: number;
  readonly samplers: readonly SamplerParam[];
}

export type ToWorker =
  /** @param forced also by software, which is slower than WebAssembly */
  | { readonly kind: "open"; readonly backend: BackendName; readonly forced: boolean; readonly data: DemoData }
  | { readonly kind: "draw"; readonly task: Task; readonly first: number; readonly count: number }
  | { readonly kind: "stop" };

/** Images [count, H, W, C] after `done` of `total` evaluations of the network: x_t, and the x_0 that it came of. */
export type Frame = Readonly<Record<"done" | "total", number> & Record<"x" | "x0", Uint8Array<ArrayBuffer>>>;

export type FromWorker =
  /** A worker's first word, for its page cannot see that it lives. */
  | { readonly kind: "ready" | "drawn" }
  | { readonly kind: "opened"; readonly on: string; readonly model: Model }
  | { readonly kind: "frame"; readonly frame: Frame }
  /** @param final no other backend would do better */
  | { readonly kind: "failed"; readonly message: string; readonly final: boolean };

export function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}

/** A worker, from either side. */
export interface Port<Sent, Got> {
  postMessage(message: Sent): void;
  onmessage: ((event: MessageEvent<Got>) => unknown) | null;
}
