import type { DeviceOptions } from "./device.ts";
import { type ConcreteDeviceName, DEVICE_NAMES, type DeviceDescription, type Grants } from "./devices.ts";

/** What a device would be opened with, as far as that decides what it is. */
export type DescribeOptions = Pick<DeviceOptions, "threads">;

/**
 * What a device is on this machine, or why it is not there. Opens nothing, and loads what knows of a device only when
 * it is asked for: most commands never do.
 */
export async function describeDevice(
  name: ConcreteDeviceName,
  { threads }: DescribeOptions = {},
): Promise<DeviceDescription> {
  switch (name) {
    case "onnx":
      return (await import("./onnx/describe.ts")).describeOnnx({ threads });
    case "onnx-cuda":
      return (await import("./onnx/describe.ts")).describeOnnxCuda();
    case "onnx-webgpu":
      return (await import("./onnx/describe.ts")).describeOnnxWebgpu(await askForAdapter());
    case "webgpu":
      return await askForAdapter();
    case "tensorflow":
    case "tensorflow-gpu":
      return (await import("./tensorflow/describe.ts")).describeTensorflow(name === "tensorflow-gpu", threads);
    case "wasm":
      return (await import("./wasm/describe.ts")).describeWasm(threads);
  }
}

let adapter: Promise<DeviceDescription> | undefined;

/** Loads graphics drivers, which takes tenths of a second; everything else here looks at a few files. */
function askForAdapter(): Promise<DeviceDescription> {
  return adapter ??= import("./webgpu/describe.ts").then(({ describeWebgpu }) => describeWebgpu());
}

/** Every device, without opening any. */
export async function describeDevices(): Promise<DeviceDescription[]> {
  return await Promise.all(DEVICE_NAMES.filter((name) => name !== "auto").map((name) => describeDevice(name)));
}

/** What a process with few permissions needs for a device. The device's packages must be installed. */
export async function grantsFor(name: ConcreteDeviceName): Promise<Grants> {
  switch (name) {
    case "onnx":
    case "onnx-cuda":
    case "onnx-webgpu":
      return (await import("./onnx/package.ts")).onnxGrants();
    case "webgpu":
      return {};
    case "tensorflow":
    case "tensorflow-gpu":
      return (await import("./tensorflow/describe.ts")).tensorflowGrants(name === "tensorflow-gpu");
    case "wasm":
      return (await import("./wasm/describe.ts")).wasmGrants();
  }
}
