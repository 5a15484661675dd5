import type { UnetConfig } from "../../diffusion/unet/config.ts";

/** Requests and answers of bench/support/step_server.ts and bench/peers/torch_unet.py, one JSON object per line. */

/** A network that predicts noise. */
export type BenchModel = Omit<UnetConfig, "outChannels" | "classes">;

export interface StepRequest {
  readonly model: BenchModel;
  readonly batch: number;
  /** One training step (forward, gradients, clip, Adam, EMA) or one noise prediction. */
  readonly mode: "train" | "forward";
  readonly steps: number;
  /** Settings that only the peer uses. */
  readonly layout?: "contiguous" | "channels_last";
  readonly compile?: boolean;
  readonly on?: "cpu" | "cuda";
  /** float32, with products in float32 or rounded to TensorFloat-32, or bfloat16 where PyTorch's autocast uses it. */
  readonly precision?: "fp32" | "tf32" | "bf16";
}

export interface StepAnswer {
  /** One value for each step. */
  readonly seconds: readonly number[];
  /** From the request to the end of the first step. */
  readonly firstSeconds: number | undefined;
}
