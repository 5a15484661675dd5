import * as tf from "@tensorflow/tfjs-core";
import { compilingDevice, type EngineFunction } from "../compiling_device.ts";
import type { Device, DeviceOptions, HostTensors } from "../device.ts";
import { checkDistinct } from "../feeds.ts";
import { checkThreads } from "../numerics.ts";
import { signatureOf, trace, type TracedFunction } from "../trace/trace.ts";
import { hasFastConv, onnxNumerics } from "./describe.ts";
import { openProgram, type Program, type ProgramOptions } from "./program.ts";

/** ONNX Runtime on the CPU: each compiled function is one graph, traced from TF.js ops and its autodiff. */
export async function openOnnxDevice(options: DeviceOptions = {}): Promise<Device> {
  const { threads = navigator.hardwareConcurrency } = options;
  const name = "onnx";
  checkThreads(name, threads);
  // Tracing goes back to the backend that was selected before, so there has to be one.
  await tf.ready();
  const { numerics = onnxNumerics(threads) } = options;
  const fastConv = hasFastConv(numerics);
  return compilingDevice(
    { name, numerics },
    (fn, inputs, label) => compileTraced(trace(fn, inputs, label), { label, threads, fastConv }),
  );
}

/**
 * A traced function that runs in ONNX Runtime. One session serves all bindings whose inputs all change; one with inputs
 * that never change gets a session of its own, which knows what follows from them.
 */
function compileTraced(traced: TracedFunction, options: ProgramOptions): EngineFunction {
  let shared: Promise<Program> | undefined;
  const sharedProgram = () => shared ??= openProgram(traced, {}, options);
  return {
    outputs: signatureOf(traced.outputs),
    async bind(values, { carried, free: { label } }) {
      const fixed = Object.fromEntries(Object.entries(values).filter(([name]) => !carried.includes(name)));
      const own = Object.keys(fixed).length > 0;
      const program = own ? await openProgram(traced, fixed, options) : await sharedProgram();
      const overwritable = program.overwritable(carried);
      // Held values are in the callers' arrays. Those that must not be written over have a second array, which takes turns
      // with the first as input and output, so that a run copies nothing.
      const current: HostTensors = { ...values };
      const next: HostTensors = {};
      for (const name of carried) next[name] = overwritable.has(name) ? current[name]! : current[name]!.slice();
      return {
        async run(feeds, results) {
          checkDistinct(current, results, label);
          checkDistinct(next, results, label);
          await program.execute({ ...feeds, ...current }, { ...results, ...next });
          for (const name of carried) [current[name], next[name]] = [next[name]!, current[name]!];
        },
        read: async (names) => Object.fromEntries(names.map((name) => [name, current[name]!.slice()])),
        release: async () => own ? await program.release() : undefined,
      };
    },
    async release() {
      // A session that could not be made has told whoever asked for it.
      await (await shared?.catch(() => undefined))?.release();
    },
  };
}
