import type { DeviceDescription } from "../devices.ts";
import { ADAPTER_FIX, adapterName, isSoftware, requestAdapter, webgpuNumerics } from "./adapter.ts";

/** What device `webgpu` is on this machine. It asks for an adapter, which loads the driver, but no TF.js. */
export async function describeWebgpu(): Promise<DeviceDescription> {
  const adapter = await requestAdapter();
  if ("missing" in adapter) {
    const reason = adapter.missing;
    return { name: "webgpu", available: false, reason, fix: ADAPTER_FIX, numerics: undefined };
  }
  const software = isSoftware(adapter.info);
  const what = software ? "software on the processor" : "WebGPU";
  return {
    name: "webgpu",
    available: true,
    reason: `TF.js on ${adapterName(adapter.info)}, ${what}`,
    numerics: webgpuNumerics(adapter.info),
    card: !software,
  };
}
