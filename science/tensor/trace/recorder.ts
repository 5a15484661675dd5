import * as tf from "@tensorflow/tfjs-core";
import { compose, COMPOSITIONS, FAULTS } from "../compositions.ts";
import { callerOf, type CompileError, compileError } from "./failure.ts";
import { fromData } from "./emit/shape.ts";
import { Graph, sizeOf, type Value } from "./graph.ts";
import { REFUSED } from "./refused.ts";
import { CONV } from "./translations/conv.ts";
import { ELEMENTWISE } from "./translations/elementwise.ts";
import { POOL } from "./translations/pool.ts";
import { RANDOM } from "./translations/random.ts";
import { REDUCE } from "./translations/reduce.ts";
import { SHAPE } from "./translations/shape.ts";
import type { KernelCall, Translation, TranslationTable } from "./translations/translation.ts";

/** TF.js backend whose kernels compute nothing and record what they would compute. */
const RECORDER = "noiseline-recorder";

/** 128 GiB of float32. An engine may show more of them without having them, as repeats of few, and sum for hours. */
const MOST_ELEMENTS = 2 ** 35;

/** Every kernel of TF.js. TF.js exports the name of each kernel under that same name. */
export const KERNEL_NAMES: readonly string[] = Object.entries(tf).flatMap(([exported, name]) =>
  exported === name ? [exported] : []
);

/** The engine that will run a function. */
export interface Engine {
  /** TF.js backend, if any: a kernel that it lacks is refused. */
  readonly backend?: string;
  /** Translations of kernels, tried first; undefined leaves a call to the others. */
  readonly kernels?: Readonly<Record<string, (call: KernelCall) => ReturnType<Translation> | undefined>>;
}

/** The recording of one function while it is traced. */
export class Recording {
  readonly graph = new Graph();
  readonly #values = new Map<object, Value>();
  readonly #tensors: tf.Tensor[] = [];
  /** A failure that TF.js hides from the traced function in a promise. */
  failure: CompileError | undefined;
  readonly callSites = new Set<string>();

  /**
   * @param watched a kernel, or the id of a value: `callSites` collects the places that call the kernel or compute the
   * value
   */
  constructor(readonly label: string, readonly engine: Engine = {}, readonly watched?: string | number) {}

  /** Called before each kernel. */
  checkKernel(kernelName: string, inputs: tf.NamedTensorInfoMap, attributes: tf.NamedAttrMap): void {
    const { engine: { backend }, watched } = this;
    if (kernelName === watched) this.#noteCaller();
    if (backend === undefined || kernelName in COMPOSITIONS) return;
    const missing = tf.getKernel(kernelName, backend) === undefined;
    if (!missing && FAULTS[backend]?.[kernelName]?.(inputs, attributes) !== true) return;
    throw compileError(
      this.label,
      `TF.js op "${kernelName}": its kernel on backend "${backend}" is ${missing ? "absent" : "wrong for such a call"}`,
      'use device "onnx", or write it with other ops',
    );
  }

  /** Returns a tensor that stands for `value`. Call only while the recorder is TF.js's backend. */
  tensorOf(value: Value): tf.Tensor {
    // A kernel may make several values, and returns the last of them.
    if (typeof this.watched === "number" && value.id >= this.watched && this.callSites.size === 0) this.#noteCaller();
    const dataId = {};
    this.#values.set(dataId, value);
    const info = { dataId, shape: [...value.shape], dtype: tensorType(value.type)! };
    const tensor = tf.engine().makeTensorFromTensorInfo(info);
    this.#tensors.push(tensor);
    return tensor;
  }

  /** Stores the data of a TF.js tensor. The data are copied, since the caller may write to the array afterwards. */
  write(dataId: object, data: tf.backend_util.BackendValues, { shape, dtype }: Omit<tf.TensorInfo, "dataId">): Value {
    const type = tensorType(dtype);
    if (type === undefined || Array.isArray(data)) {
      throw compileError(this.label, `a tensor of type ${dtype}`, "use float32, int32 or bool");
    }
    const value = fromData(this.graph, type, shape, data.slice());
    this.#values.set(dataId, value);
    return value;
  }

  valueOf(info: tf.TensorInfo): Value {
    // Without a value, the tensor was made before tracing: its backend still has the data, which become a constant of
    // the graph.
    return this.#values.get(info.dataId) ?? this.write(info.dataId, (info as tf.Tensor).dataSync(), info);
  }

  #noteCaller(): void {
    this.callSites.add(callerOf(new Error()) ?? "an unknown place");
  }

  /**
   * Disposes of all tensors. Autodiff keeps tensors outside of any scope, so if a traced function throws, nothing else
   * does.
   */
  disposeTensors(): void {
    for (const tensor of this.#tensors) tensor.dispose();
  }
}

let active: Recording | undefined;

/**
 * Makes the recorder TF.js's backend, calls `body`, and restores the previous backend in any case. Synchronous from
 * start to end, so that nothing else in the process ever sees the recorder. TF.js must be ready.
 */
export function withRecording<T>(recording: Recording, body: () => T): T {
  if (active !== undefined) {
    throw compileError(recording.label, `"${active.label}" is being compiled`, "compile one before the other");
  }
  registerRecorder();
  active = recording;
  return withBackend(RECORDER, () => {
    try {
      return body();
    } finally {
      recording.disposeTensors();
      active = undefined;
    }
  });
}

function recordingNow(): Recording {
  if (active === undefined) {
    throw new Error(`The TF.js backend "${RECORDER}" works only inside Device.compile. Fix: do not select it.`);
  }
  return active;
}

const BACKEND = Object.assign(new tf.KernelBackend(), {
  write(data: tf.backend_util.BackendValues, shape: number[], dtype: tf.DataType): object {
    const dataId = {};
    recordingNow().write(dataId, data, { shape, dtype });
    return dataId;
  },
  readSync(): never {
    throw readError();
  },
  read(): Promise<never> {
    // The traced function is synchronous and cannot await this. The failure is reported when the function returns, and
    // the promise never settles, because an unhandled rejection would end the process.
    recordingNow().failure ??= readError();
    return new Promise(() => {});
  },
  // The graph keeps the value until tracing is over; tensors that outlive tracing count as disposed of, too.
  disposeData: () => true,
  refCount: () => 1,
  numDataIds: () => 0,
  memory: () => ({ unreliable: false }),
  floatPrecision: () => 32 as const,
  dispose() {},
});

function readError(): CompileError {
  return compileError(
    recordingNow().label,
    "tensor data is read while the function is traced, before it has any",
    "return the tensor as an output and read it from the result of run()",
  );
}

let registered = false;

function registerRecorder(): void {
  if (registered) return;
  registered = true;
  // Priority 0 is below every other backend: TF.js never picks the recorder by itself.
  tf.registerBackend(RECORDER, () => BACKEND, 0);
  for (const kernelName of new Set([...[TRANSLATIONS, COMPOSITIONS].flatMap(Object.keys), ...KERNEL_NAMES])) {
    const kernelFunc: tf.KernelFunc = ({ inputs, attrs }) => recordKernel(recordingNow(), kernelName, inputs, attrs);
    tf.registerKernel({ kernelName, backendName: RECORDER, kernelFunc });
  }
}

function recordKernel(
  recording: Recording,
  kernelName: string,
  inputs: tf.NamedTensorInfoMap,
  attributes: tf.NamedAttrMap = {},
): tf.TensorInfo | tf.TensorInfo[] {
  recording.checkKernel(kernelName, inputs, attributes);
  const fail = (problem: string, fix: string): never => {
    throw compileError(recording.label, `TF.js op "${kernelName}": ${problem}`, fix);
  };
  const call: KernelCall = {
    graph: recording.graph,
    fail,
    input(name) {
      const info = inputs[name];
      return info === undefined ? fail(`input "${name}" is missing`, "give every input") : recording.valueOf(info);
    },
    inputs: () => Object.values(inputs).flatMap((info) => info === undefined ? [] : [recording.valueOf(info)]),
    attributes,
    elementType() {
      const dtype = attributes["dtype"] as tf.DataType;
      return tensorType(dtype) ?? fail(`type ${dtype}`, "use float32, int32 or bool");
    },
  };
  const result = recording.engine.kernels?.[kernelName]?.(call) ?? TRANSLATIONS[kernelName]?.(call);
  if (result === undefined) {
    if (kernelName in COMPOSITIONS) return compose(kernelName, inputs, attributes);
    const { reason, fix } = REFUSED.get(kernelName) ??
      { reason: "it has no translation", fix: "write it with other ops" };
    return fail(reason, fix);
  }
  const tensorOf = (value: Value) => {
    const size = sizeOf(value.shape);
    if (size > MOST_ELEMENTS) fail(`can't allocate memory for its result [${value.shape}]`, "compute it in parts");
    return recording.tensorOf(value);
  };
  return "kind" in result ? tensorOf(result) : result.map(tensorOf);
}

function tensorType(type: string): "float32" | "int32" | "bool" | undefined {
  return type === "float32" || type === "int32" || type === "bool" ? type : undefined;
}

/**
 * Calls `body` with a TF.js backend selected, which must be initialised, and restores the previous one. Synchronous
 * from start to end, because the selected backend is one variable for the whole process.
 */
export function withBackend<T>(name: string, body: () => T): T {
  const previous = tf.getBackend();
  // For a backend that is already made, or made without waiting, TF.js switches before it returns the promise; the
  // promise only repeats that.
  void tf.setBackend(name);
  try {
    return body();
  } finally {
    void tf.setBackend(previous);
  }
}

/** Every TF.js kernel that can be translated. */
export const TRANSLATIONS: TranslationTable = { ...ELEMENTWISE, ...SHAPE, ...REDUCE, ...CONV, ...POOL, ...RANDOM };
