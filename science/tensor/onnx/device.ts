import * as tf from "@tensorflow/tfjs-core";
import { compilingDevice, type EngineFunction } from "../compiling_device.ts";
import type { Device, DeviceOptions, HostTensors } from "../device.ts";
import { checkDistinct } from "../feeds.ts";
import { checkThreads } from "../numerics.ts";
import { signatureOf, trace, type TracedFunction } from "../trace/trace.ts";
import { hasFastConv, onnxNumerics } from "./describe.ts";
import { openProgram, type Program, type ProgramOptions } from "./program.ts";

/** Opens ONNX Runtime on the CPU: each compiled function is one graph, traced from TF.js ops and its autodiff. */
export async function openOnnxDevice(options: DeviceOptions = {}): Promise<Device> {
  const { threads = navigator.hardwareConcurrency } = options;
  const name = "onnx";
  checkThreads(name, threads);
  // After tracing, the previously selected backend is selected again, so there has to be one.
  await tf.ready();
  const { numerics = onnxNumerics(threads) } = options;
  const fastConv = hasFastConv(numerics);
  return compilingDevice(
    { name, numerics },
    (fn, inputs, label) => compileTraced(trace(fn, inputs, label), { label, threads, fastConv }),
  );
}

/**
 * Compiles a traced function to run in ONNX Runtime. One session serves all bindings without fixed inputs; a binding
 * with inputs that never change has its own session, in which everything that depends on these inputs alone is
 * precomputed.
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
      // Held values are in the callers' arrays. A value that must not be overwritten has a second array, and the two
      // take turns as input and output, so that a run copies nothing.
      const current: HostTensors = { ...values };
      const next: HostTensors = Object.create(null);
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
      // If the session could not be made, its caller has already got the error.
      await (await shared?.catch(() => undefined))?.release();
    },
  };
}
