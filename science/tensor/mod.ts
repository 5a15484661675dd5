/**
 * Tensor programs at native speed: a function that is written with TF.js operations is traced, compiled for a device
 * and run many times, also when it takes gradients. Random numbers are pure functions of a seed. Importing this module
 * loads neither TF.js nor an engine.
 *
 * @example Compile a function, and run it
 * ```ts
 * import * as tf from "@tensorflow/tfjs-core";
 * import { openDevice } from "noiseline/tensor";
 *
 * const device = await openDevice("onnx", { threads: 2 });
 * const doubled = await device.compile(({ x }) => ({ y: tf.mul(x!, 2) }), { x: { shape: [3], dtype: "float32" } });
 * console.log(await doubled.run({ x: new Float32Array([1, 2, 3]) }));
 * await device.dispose();
 * ```
 *
 * @module
 */
export type * from "./device.ts";
export { DEVICE_NAMES, type DeviceName } from "./devices.ts";
export { openDevice } from "./implementations.ts";
export { type DrawOptions, type RandomStream, randomStream, type RandomStreamOptions } from "./random/stream.ts";
