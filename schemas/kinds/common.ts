import { z } from "zod";
import { execution } from "../roles.ts";

/** Where tensors are computed. `auto` takes the fastest that this machine has. */
export const deviceParam = () =>
  execution(z.enum(["auto", "onnx"]).default("auto").describe("Where to compute; never changes what is computed"));

export const threadsParam = () =>
  execution(z.int().min(1).max(1024).optional().describe("Threads of the engine; default: all cores"));

export const weightsParam = () => z.enum(["ema", "raw"]).default("ema").describe("Which weights of the checkpoint");

export const positiveInt = (max: number) => z.int().min(1).max(max);
