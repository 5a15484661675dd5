import process from "node:process";
import type { Device, DeviceOptions } from "./device.ts";
import { onnxNumerics } from "./numerics.ts";

/** What a pipeline or a command line may name. `auto` is the best device that is available. */
export const DEVICE_NAMES = ["auto", "onnx"] as const;

export type DeviceName = typeof DEVICE_NAMES[number];

export interface DeviceDescription {
  readonly name: Exclude<DeviceName, "auto">;
  readonly available: boolean;
  /** What the device is, or why it is not available. */
  readonly reason: string;
  /** As {@linkcode Device.numerics}; undefined when it cannot be known here. */
  readonly numerics: string | undefined;
}

/** Platforms for which onnxruntime-node carries a CPU library. */
const ONNX_PLATFORMS = new Set(["linux-x64", "linux-arm64", "darwin-arm64", "win32-x64", "win32-arm64"]);

/**
 * Open a device. Its implementation, TF.js and the engine are loaded here and not before, so importing this file costs
 * nothing.
 * @throws Error when the name is unknown or the device is not available.
 */
export async function openDevice(name: DeviceName, options: DeviceOptions = {}): Promise<Device> {
  switch (name) {
    case "auto":
    case "onnx": {
      const { openOnnxDevice } = await import("./onnx/device.ts");
      return await openOnnxDevice(options);
    }
    default: {
      const unknown: never = name;
      throw new Error(
        `Cannot open device "${unknown}": it does not exist. Fix: use one of ${DEVICE_NAMES.join(", ")}.`,
      );
    }
  }
}

/** Every device, best first, without loading any. */
export function describeDevices(): DeviceDescription[] {
  return [describeOnnx(`${process.platform}-${process.arch}`)];
}

/** @param platform As `process.platform`, a hyphen, and `process.arch`. */
export function describeOnnx(platform: string): DeviceDescription {
  if (!ONNX_PLATFORMS.has(platform)) {
    const known = [...ONNX_PLATFORMS].join(", ");
    return {
      name: "onnx",
      available: false,
      reason: `no CPU library for ${platform}, only for ${known}`,
      numerics: undefined,
    };
  }
  const threads = navigator.hardwareConcurrency;
  const reason = `ONNX Runtime on the CPU, ${threads} ${threads === 1 ? "thread" : "threads"}`;
  return { name: "onnx", available: true, reason, numerics: onnxNumerics() };
}
