/** Devices that run tensor programs, and random numbers. Importing this loads neither TF.js nor an engine. */
export type {
  CompiledFunction,
  CompileOptions,
  Device,
  DeviceOptions,
  DType,
  HostArray,
  HostTensors,
  NamedTensors,
  PureFunction,
  Signature,
  TensorSpec,
} from "./device.ts";
export { describeDevices, DEVICE_NAMES, openDevice } from "./devices.ts";
export type { DeviceDescription, DeviceName } from "./devices.ts";
export { onnxNumerics } from "./numerics.ts";
export { onnxPackageFolder } from "./onnx/package.ts";
export { randomStream } from "./random/stream.ts";
export type { DrawOptions, RandomStream, RandomStreamOptions } from "./random/stream.ts";
