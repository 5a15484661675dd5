/** Devices that run tensor programs, and random numbers. Importing this module loads neither TF.js nor an engine. */
export { chooseDevice } from "./implementations.ts";
export type { Device, HostTensors, PureFunction, Signature } from "./device.ts";
export type { ConcreteDeviceName, DeviceName } from "./devices.ts";
export { openDevice } from "./implementations.ts";
export { randomStream } from "./random/stream.ts";
