import { existsSync, readdirSync } from "node:fs";
import process from "node:process";
import { hasNvidiaGpu } from "./tensorflow/gpus.ts";

/**
 * Whether a graphics processor may be here. On Linux its driver puts a node under `/dev`: DRM render nodes, NVIDIA's own,
 * or that of Windows' subsystem for Linux. Elsewhere nothing so cheap tells, so the answer is yes.
 */
export function mayHaveGpu(): boolean {
  if (process.platform !== "linux") return true;
  return existsSync("/dev/dxg") || hasRenderNode() || hasNvidiaGpu();
}

function hasRenderNode(): boolean {
  try {
    return readdirSync("/dev/dri").some((name) => /^renderD\d+$/.test(name));
  } catch {
    return false; // No driver.
  }
}
