import * as tf from "@tensorflow/tfjs-core";
import process from "node:process";
import { compilingDevice } from "../compiling_device.ts";
import type { Device, DeviceOptions } from "../device.ts";
import { checkDistinct } from "../feeds.ts";
import { ATTENTION, gradientOf } from "../layer_kernels.ts";
import { checkThreads } from "../numerics.ts";
import type { Value } from "../trace/graph.ts";
import { placeOf, signatureOf, trace } from "../trace/trace.ts";
import { inBfloat16 } from "./bfloat16.ts";
import { CARD_VARIABLES, isOnCard, roundsToBfloat16, torchNumerics } from "./describe.ts";
import { torchInstallation } from "./installation.ts";
import { withHeldFilters } from "./filters.ts";
import { openTorch } from "./library.ts";
import { LAYER_TRANSLATIONS } from "./layers.ts";
import { Program } from "./program.ts";

/** Attention has a kernel of its own on the processor alone; on a card it is products and a softmax. */
const { [ATTENTION]: _forward, [gradientOf(ATTENTION)]: _backward, ...CARD_KERNELS } = LAYER_TRANSLATIONS;

interface TorchOptions extends DeviceOptions {
  /** Use this instead of the installation in its place: for the setup, which tries what it has unpacked. */
  readonly installation?: { readonly folder: string };
}

/**
 * Opens PyTorch's kernels on the CPU, or on a card if the numerics say so, through its C interface: each compiled
 * function is a list of calls, traced from TF.js ops and its autodiff.
 * @throws Error when the library is not set up or cannot be loaded
 */
export async function openTorchDevice(options: TorchOptions = {}): Promise<Device> {
  const { threads = navigator.hardwareConcurrency } = options;
  const name = "torch";
  checkThreads(name, threads);
  // After tracing, the previously selected backend is selected again, so there has to be one.
  await tf.ready();
  const { numerics = torchNumerics(threads, options.precision) } = options;
  const onCard = isOnCard(numerics);
  // Products may round to TensorFloat-32, as those of convolutions may, and sum in one order.
  if (onCard) CARD_VARIABLES.forEach((name, i) => process.env[name] = [":4096:8", "1"][i]!);
  const torch = openTorch((options.installation ?? torchInstallation(onCard)).folder, onCard);
  const engine = { kernels: onCard ? CARD_KERNELS : LAYER_TRANSLATIONS };
  const rounds = roundsToBfloat16(numerics);
  return compilingDevice({ name, numerics }, (fn, inputs, label) => {
    const traced = trace(fn, inputs, label, engine);
    const { outputs, origin } = rounds ? inBfloat16(traced) : { ...traced, origin: new Map<Value, Value>() };
    const whereIs = (value: Value) => placeOf(origin.get(value) ?? value, fn, inputs, engine);
    return {
      outputs: signatureOf(outputs),
      async bind(values, { carried, free }) {
        const ordered = withHeldFilters({ ...traced, outputs }, carried);
        const options = { label, threads, placeOf: (value: Value) => whereIs(ordered.origin.get(value) ?? value) };
        const program = new Program(torch, ordered, options, values, carried);
        return {
          async run(feeds, results) {
            checkDistinct(values, results, free.label);
            await program.run(feeds, results);
          },
          read: async (names) => Object.fromEntries(names.map((name) => [name, program.read(name)])),
          release: async () => program.release(),
        };
      },
    };
  });
}
