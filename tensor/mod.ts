/** Devices that run tensor programs, and random numbers. Importing this module loads neither TF.js nor an engine. */
export { chooseDevice } from "./choose.ts";
export type { Device, HostTensors, PureFunction, Signature } from "./device.ts";
export type { ConcreteDeviceName, DeviceName } from "./devices.ts";
export { openDevice } from "./open.ts";
export { randomStream } from "./random/stream.ts";
