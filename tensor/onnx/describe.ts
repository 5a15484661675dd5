import process from "node:process";
import type { DeviceDescription } from "../devices.ts";
import { onnxNumerics } from "../numerics.ts";

/** Platforms for which onnxruntime-node carries a library. */
const PLATFORMS = ["linux-x64", "linux-arm64", "darwin-arm64", "win32-x64", "win32-arm64"];

/** @param options.platform as `process.platform`, a hyphen, and `process.arch` */
export function describeOnnx(
  { threads = navigator.hardwareConcurrency, platform = `${process.platform}-${process.arch}` }: {
    readonly threads?: number | undefined;
    readonly platform?: string;
  } = {},
): DeviceDescription {
  const name = "onnx";
  if (!PLATFORMS.includes(platform)) {
    const reason = `no CPU library for ${platform}, only for ${PLATFORMS.join(", ")}`;
    return { name, available: false, reason, numerics: undefined };
  }
  const reason = `ONNX Runtime on the CPU, ${threads} ${threads === 1 ? "thread" : "threads"}`;
  return { name, available: true, reason, numerics: onnxNumerics(threads) };
}
