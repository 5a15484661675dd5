import { setImmediate } from "node:timers/promises";
import type { HostArray, HostTensors, PureFunction, Signature } from "../device.ts";
import { sameShape, type Value } from "../trace/graph.ts";
import { placeOf, type TracedFunction } from "../trace/trace.ts";
import type { Run } from "./kernels.ts";
import type { Handle, Torch } from "./library.ts";
import { OPERATIONS } from "./operations.ts";
import { planOf, type Step } from "./plan.ts";

interface ProgramOptions {
  readonly label: string;
  readonly threads: number;
  /** The function that was traced, and its inputs, to find the place of a call that fails. */
  readonly fn: PureFunction;
  readonly inputs: Signature;
}

/** The longest time in ms for which a run keeps the process from doing anything else, such as hearing of a signal. */
const TURN_MS = 100;

/**
 * A traced function with held values, in PyTorch. Held values are the callers' arrays: tensors are views of them, and
 * carried ones are written at the end of each run.
 *
 * @param carried names of the held inputs that the outputs of the same name replace
 */
export class Program {
  /** Tensors that stay, and while a run lasts its own, by the id of their value. */
  readonly #tensors: (Handle | undefined)[] = [];
  readonly #each: readonly (Step & { readonly run: Run })[];
  readonly #inputs: readonly Value[];
  readonly #kept: readonly Value[];
  /** Arrays that tensors are views of. */
  readonly #arrays: ArrayBufferView[] = [];
  #hasRun = false;

  constructor(
    readonly torch: Torch,
    readonly traced: TracedFunction,
    readonly options: ProgramOptions,
    readonly held: HostTensors,
    readonly carried: readonly string[],
  ) {
    const fixed = new Set(Object.keys(held).filter((name) => !carried.includes(name)));
    const { sources, once, each } = planOf(traced.outputs, fixed);
    const withRun = (step: Step) => ({ ...step, run: OPERATIONS[step.value.op]!(step.value, torch) });
    this.#each = each.map(withRun);
    this.#inputs = sources.filter((value) => value.kind === "input" && !(value.name in held));
    const stay = sources.filter((value) => !this.#inputs.includes(value));
    this.#kept = [...stay, ...once.map(({ value }) => value)];
    torch.useThreads(options.threads);
    try {
      for (const value of stay) this.#tensors[value.id] = this.#source(value);
      for (const step of once.map(withRun)) this.#compute(step);
    } catch (error) {
      this.release();
      throw error;
    }
  }

  /** Runs the program. `feeds` holds every input that is not held, `results` an array for every other output. */
  async run(feeds: HostTensors, results: HostTensors): Promise<void> {
    const { torch, options: { threads }, traced: { outputs }, held } = this;
    torch.useThreads(threads);
    let since = performance.now();
    try {
      for (const value of this.#inputs) {
        const { name, type, shape, id } = value as Extract<Value, { kind: "input" }>;
        this.#tensors[id] = torch.view(feeds[name]!, type, shape);
      }
      for (const step of this.#each) {
        this.#compute(step);
        if (performance.now() - since < TURN_MS) continue;
        await setImmediate();
        // Another program may have run with another number.
        torch.useThreads(threads);
        since = performance.now();
      }
      this.#hasRun = true;
      for (const [name, value] of outputs) {
        if (!(name in held)) this.#write(results[name]!, value, this.#tensors[value.id]!);
      }
      this.#carry();
    } finally {
      for (const value of [...this.#inputs, ...this.#each.map((step) => step.value)]) this.#free(value);
    }
  }

  /** Frees what stays. */
  release(): void {
    this.#kept.forEach((value) => this.#free(value));
  }

  #source(value: Value): Handle {
    const { torch, held } = this;
    if (value.kind === "input") return torch.view(held[value.name]!, value.type, value.shape);
    const { type, shape, data } = value as Extract<Value, { kind: "constant" }>;
    const array = type === "uint32" ? BigInt64Array.from(data as Uint32Array, BigInt) : data;
    this.#arrays.push(array);
    const isWhole = array.length !== 1 || shape.length === 0;
    if (isWhole) return torch.view(array, type, shape);
    // One element stands for all.
    const words = [torch.list(shape.map(torch.int)), torch.bool(false)];
    return torch.call("aten::expand", torch.view(array, type, []), ...words);
  }

  #compute({ value, operands, done, run }: Step & { readonly run: Run }): void {
    const { torch } = this;
    try {
      const result = run(operands.map(({ id }) => this.#tensors[id]!));
      this.#tensors[value.id] = result;
      if (!this.#hasRun && !sameShape(torch.shapeOf(result), value.shape)) {
        throw new Error(`its shape is [${torch.shapeOf(result)}], wanted [${value.shape}]`);
      }
    } catch (error) {
      const { label, fn, inputs } = this.options;
      const place = placeOf(value, fn, inputs);
      const problem = `PyTorch's part "${value.op}" failed (called at ${place}): ${(error as Error).message}`;
      throw new Error(`Cannot run "${label}": ${problem}`, { cause: error });
    }
    done.forEach((operand) => this.#free(operand));
  }

  #write(array: HostArray, { type, shape }: Value, tensor: Handle): void {
    const { torch } = this;
    const target = torch.view(array, type, shape);
    torch.copy(target, tensor);
    torch.free(target);
  }

  /** Writes carried values. What may be a view of one is copied before any is written. */
  #carry(): void {
    const { torch, carried, held, traced: { outputs } } = this;
    const values = carried.map((name) => outputs.get(name)!);
    const copies = values.map((value) =>
      this.#isViewOfCarried(value) ? torch.kernel("aoti_torch_clone", this.#tensors[value.id]!) : undefined
    );
    values.forEach((value, i) => this.#write(held[carried[i]!]!, value, copies[i] ?? this.#tensors[value.id]!));
    for (const copy of copies) if (copy !== undefined) torch.free(copy);
  }

  #isViewOfCarried(value: Value): boolean {
    if (value.kind === "operation") return MOVES.has(value.op) && this.#isViewOfCarried(value.inputs[0]!);
    return value.kind === "input" && this.carried.includes(value.name);
  }

  #free({ id }: Value): void {
    const tensor = this.#tensors[id];
    if (tensor !== undefined) this.torch.free(tensor);
    this.#tensors[id] = undefined;
  }
}

/** Operations that may return views of their first operand. */
const MOVES = new Set(["Reshape", "Transpose", "Expand", "Slice", "Gather", "Cast"]);
