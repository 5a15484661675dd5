import * as tf from "@tensorflow/tfjs-core";
import { compose, COMPOSITIONS } from "../compositions.ts";
import { FAULTS } from "../faults.ts";
import { callerOf, type CompileError, compileError } from "./failure.ts";
import { withBackend } from "../with_backend.ts";
import { fromData } from "./emit/constants.ts";
import { Graph, type Value } from "./graph.ts";
import { TRANSLATIONS } from "./kernels/table.ts";
import { REFUSED } from "./refused.ts";

/** TF.js backend whose kernels compute nothing and record what they would compute. */
export const RECORDER = "noiseline-recorder";

/** Every kernel of TF.js, which exports each one's name under that name. */
export const KERNEL_NAMES: readonly string[] = Object.entries(tf).flatMap(([exported, name]) =>
  exported === name ? [exported] : []
);

/** What one traced function has recorded so far. */
export class Recording {
  readonly graph = new Graph();
  readonly #values = new Map<object, Value>();
  readonly #tensors: tf.Tensor[] = [];
  /** A failure that TF.js hides from the traced function in a promise. */
  failure: CompileError | undefined;
  readonly calledAt = new Set<string>();

  /**
   * @param backend of TF.js that will run the function, if one will: a kernel that it lacks is refused
   * @param watch a kernel whose calls are looked at, or the id of a value: `calledAt` says where they are
   */
  constructor(readonly label: string, readonly backend?: string, readonly watch?: string | number) {}

  /** Called before each kernel. */
  enter(kernelName: string, inputs: tf.NamedTensorInfoMap, attributes: tf.NamedAttrMap): void {
    const { backend, watch } = this;
    if (kernelName === watch) this.#noteCaller();
    if (backend === undefined || kernelName in COMPOSITIONS) return;
    const missing = tf.getKernel(kernelName, backend) === undefined;
    if (!missing && FAULTS[backend]?.[kernelName]?.(inputs, attributes) !== true) return;
    throw compileError(
      this.label,
      `TF.js op "${kernelName}": its kernel on backend "${backend}" is ${missing ? "absent" : "wrong for such a call"}`,
      'use device "onnx", or write it with other ops',
    );
  }

  /** A tensor that stands for `value`. Call only while the recorder is TF.js's backend. */
  tensorOf(value: Value): tf.Tensor {
    // A kernel may make several values, the last of which it gives out.
    if (typeof this.watch === "number" && value.id >= this.watch && this.calledAt.size === 0) this.#noteCaller();
    const dataId = {};
    this.#values.set(dataId, value);
    const info = { dataId, shape: [...value.shape], dtype: tensorType(value.type)! };
    const tensor = tf.engine().makeTensorFromTensorInfo(info);
    this.#tensors.push(tensor);
    return tensor;
  }

  /** Keep what a tensor of TF.js holds. It is copied: the caller may write to the array afterwards. */
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
    // One that was made before tracing: its backend still has the data, which becomes a constant of the graph.
    return this.#values.get(info.dataId) ?? this.write(info.dataId, (info as tf.Tensor).dataSync(), info);
  }

  #noteCaller(): void {
    this.calledAt.add(callerOf(new Error()) ?? "an unknown place");
  }

  /** Autodiff keeps tensors outside of any scope; when a traced function throws, nobody else disposes of them. */
  disposeTensors(): void {
    for (const tensor of this.#tensors) tensor.dispose();
  }
}

let active: Recording | undefined;

/**
 * Make the recorder TF.js's backend, call `body`, and put the previous backend back whatever happens. Synchronous from
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
    // The traced function is synchronous and cannot await this: report when it returns, and never settle, because a
    // rejection that nobody handles would end the process.
    recordingNow().failure ??= readError();
    return new Promise(() => {});
  },
  // Until the tracing is over the graph has the value anyway; tensors that outlive it count as disposed of, too.
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
  for (const kernelName of new Set([...Object.keys(TRANSLATIONS), ...KERNEL_NAMES])) {
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
  recording.enter(kernelName, inputs, attributes);
  const fail = (problem: string, fix: string): never => {
    throw compileError(recording.label, `TF.js op "${kernelName}": ${problem}`, fix);
  };
  const translate = TRANSLATIONS[kernelName];
  if (translate === undefined) {
    if (kernelName in COMPOSITIONS) return compose(kernelName, inputs, attributes);
    const { reason, fix } = REFUSED.get(kernelName) ??
      { reason: "it has no translation", fix: "write it with other ops" };
    return fail(reason, fix);
  }
  const result = translate({
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
  });
  return "kind" in result ? recording.tensorOf(result) : result.map((value) => recording.tensorOf(value));
}

function tensorType(type: string): "float32" | "int32" | "bool" | undefined {
  return type === "float32" || type === "int32" || type === "bool" ? type : undefined;
}
