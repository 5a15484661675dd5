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
export { chooseDevice } from "./choose.ts";
export type { ChosenDevice, NoDevice } from "./choose.ts";
export { AUTO_ORDER, DEVICE_NAMES } from "./devices.ts";
export type { ConcreteDeviceName, DeviceDescription, DeviceName, Grants } from "./devices.ts";
export { describeDevices } from "./implementations.ts";
export { onnxNumerics, onnxPackageFolder } from "./onnx/describe.ts";
export { openDevice } from "./open.ts";
export { randomStream } from "./random/stream.ts";
export type { DrawOptions, RandomStream, RandomStreamOptions } from "./random/stream.ts";
