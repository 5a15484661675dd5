/**
 * Element types that a compiled function accepts and returns. TF.js has no float64; tables of constants are computed on
 * the host.
 */
export type DType = "float32" | "int32";

/** Shape and element type of one named input or output. */
export interface TensorSpec {
  /** Length of each axis. */
  readonly shape: readonly number[];
  /** Type of the elements. */
  readonly dtype: DType;
}

/** Inputs or outputs by name. */
export type Signature = Readonly<Record<string, TensorSpec>>;

/** Host memory of one tensor, row-major, channels last for images. */
export type HostArray = Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer>;

/** Values by name. */
export type HostTensors = Record<string, HostArray>;

/** A tensor of TF.js; see its documentation. */
export type Tensor = InstanceType<typeof import("@tensorflow/tfjs-core")["Tensor"]>;

/** TF.js tensors by name. */
export type NamedTensors = Record<string, Tensor>;

/**
 * A pure function over TF.js tensors: same inputs, same outputs, no reads of tensor data, no randomness, no state. It
 * may use TF.js autodiff (`tf.valueAndGrads`, `tf.customGrad`).
 */
export type PureFunction = (inputs: NamedTensors) => NamedTensors;

/** A pure function that is ready to run many times with the same shapes. */
export interface CompiledFunction {
  /** The inputs of a run. */
  readonly inputs: Signature;
  /** The outputs of a run. */
  readonly outputs: Signature;
  /**
   * Run once. `feeds` must hold every input with the right length; they are not modified. Arrays in `into` receive the
   * outputs of that name, so that a training loop allocates nothing per step; an array in `into` must not be one of the
   * feeds. Returns every output.
   */
  run(feeds: HostTensors, into?: HostTensors): Promise<HostTensors>;
  /**
   * Pass the values of some inputs to the device, which keeps them where it computes: weights and optimizer state of a
   * training loop, weights of a sampler. On `tensorflow-gpu` and `webgpu` they stay in the card's memory, so that a run
   * transfers only its other inputs and outputs; `onnx` and `torch` compute on the arrays themselves; `wasm`
   * makes copies. The arrays belong to the device from then on, which may read and write them at each run.
   * Nothing else may write to them, and no other binding that does may get them.
   */
  bind(held: HostTensors): Promise<BoundFunction>;
  /** Release everything that the device keeps for the function. */
  dispose(): Promise<void>;
}

/**
 * A compiled function that holds some of its inputs. An output with the name of a held input replaces that input at
 * each run, so that a loop carries its state without passing it through the host.
 */
export interface BoundFunction {
  /**
   * Run with the inputs that are not held. Returns the outputs that replace no input, in `into` if it has arrays for
   * them.
   */
  run(feeds: HostTensors, into?: HostTensors): Promise<HostTensors>;
  /** Return copies of the current held values: all of them, or those named. */
  read(names?: readonly string[]): Promise<HostTensors>;
  /** Release the held values. The compiled function stays. */
  dispose(): Promise<void>;
}

/** One way to run tensor programs on this machine. */
export interface Device {
  /** The name in params, such as `onnx`. */
  readonly name: string;
  /** Identifies everything that decides the rounding of the results: device, engine version, instruction-set class. */
  readonly numerics: string;
  /**
   * Prepare a function to run many times on inputs of these shapes; `label` is shown in error messages, e.g. `"train
   * step"`.
   */
  compile(fn: PureFunction, inputs: Signature, options?: { readonly label?: string }): Promise<CompiledFunction>;
  /** Close the device, and release everything that it keeps. */
  dispose(): Promise<void>;
}

/**
 * Rounding of products: that of float32, or inputs and results of matrix products, convolutions and attention rounded
 * to bfloat16, with sums in float32. Device `torch` alone has the latter.
 */
export type Precision = "fp32" | "bf16";

/** Options for opening a device. */
export interface DeviceOptions {
  /** Worker threads of the engine; default: all logical cores. */
  readonly threads?: number;
  /** Rounding of products; default: `fp32`. */
  readonly precision?: Precision;
  /** Use this instead of detecting {@linkcode Device.numerics}: for a process that may not examine the processor. */
  readonly numerics?: string;
}
