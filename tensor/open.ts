import type { Device, DeviceOptions } from "./device.ts";
import { type ConcreteDeviceName, DEVICE_NAMES, type DeviceName } from "./devices.ts";

/**
 * Open a device. Its implementation, TF.js and the engine are loaded here and not before, so importing this file costs
 * nothing. Without `numerics` this machine is looked at first, which a process with few permissions may not do: it is
 * told a concrete name and the numerics by its parent.
 * @throws Error when the name is unknown or the device is not available.
 */
export async function openDevice(name: DeviceName, options: DeviceOptions = {}): Promise<Device> {
  if (!DEVICE_NAMES.includes(name)) {
    throw new Error(`Cannot open device "${name}": it does not exist. Fix: use one of ${DEVICE_NAMES.join(", ")}.`);
  }
  const { numerics, threads } = options;
  if (name !== "auto" && numerics !== undefined) return await open(name, options);
  const chosen = await (await import("./choose.ts")).chooseDevice(name, threads === undefined ? {} : { threads });
  if (!chosen.available) throw new Error(`Cannot open device "${name}": ${chosen.reason}. Fix: ${chosen.fix}.`);
  return await open(chosen.name, { ...options, numerics: numerics ?? chosen.numerics });
}

async function open(name: ConcreteDeviceName, options: DeviceOptions): Promise<Device> {
  switch (name) {
    case "onnx":
      return await (await import("./onnx/device.ts")).openOnnxDevice(options);
    case "onnx-cuda":
      return await (await import("./onnx/device.ts")).openOnnxDevice({ ...options, provider: "cuda" });
    case "onnx-webgpu":
      return await (await import("./onnx/device.ts")).openOnnxDevice({ ...options, provider: "webgpu" });
    case "webgpu":
      // Whoever names it takes what there is; `auto` has passed over software before it comes here.
      return await (await import("./webgpu/device.ts")).openWebgpuDevice({ ...options, software: true });
    case "tensorflow":
    case "tensorflow-gpu":
      return await (await import("./tensorflow/device.ts"))
        .openTensorflowDevice({ ...options, gpu: name === "tensorflow-gpu" });
    case "wasm":
      return await (await import("./wasm/device.ts")).openWasmDevice(options);
  }
}
