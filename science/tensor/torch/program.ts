import { setImmediate } from "node:timers/promises";
import type { HostArray, HostTensors } from "../device.ts";
import { sameShape, sizeOf, type Value } from "../trace/graph.ts";
import type { HeldFilter } from "./filters.ts";
import { dense, type Emit, permute, scoped } from "./kernels.ts";
import type { Handle, Torch } from "./library.ts";
import { OPERATIONS } from "./operations.ts";
import type { Write } from "./places.ts";
import { planOf, type Step } from "./plan.ts";

interface ProgramOptions {
  readonly label: string;
  readonly threads: number;
  /** Returns where the traced function computes a value. */
  placeOf(value: Value): string;
}

type RunnableStep = Step & { readonly run: ReturnType<Emit> };

/** The longest time in ms for which a run keeps the process from doing anything else, such as hearing of a signal. */
const TURN_MS = 30;

/**
 * A traced function with held values, in PyTorch. Held values are the callers' arrays: tensors are views of them, and
 * carried ones are written at the end of each run.
 *
 * @param carried names of the held inputs that the outputs of the same name replace
 */
export class Program {
  /** Tensors that stay, and while a run lasts its own, by the id of their value. */
  readonly #tensors: (Handle | undefined)[] = [];
  readonly #each: readonly RunnableStep[];
  readonly #inputs: readonly Value[];
  readonly #kept: readonly Value[];
  readonly #late: readonly Write[];
  /** Held values where kernels compute, whole. */
  readonly #state = new Map<string, Handle>();
  #hasRun = false;

  constructor(
    readonly torch: Torch,
    readonly traced: { readonly outputs: ReadonlyMap<string, Value>; readonly filters: readonly HeldFilter[] },
    readonly options: ProgramOptions,
    readonly held: HostTensors,
    readonly carried: readonly string[],
  ) {
    const fixed = new Set(Object.keys(held).filter((name) => !carried.includes(name)));
    const { sources, once, each, late } = planOf(traced.outputs, { fixed, carried });
    this.#late = late;
    const withRun = (step: Step) => ({ ...step, run: OPERATIONS[step.called.op]!(step.called, torch) });
    this.#each = each.map(withRun);
    this.#inputs = sources.filter((value) => value.kind === "input" && !(value.name in held));
    const stay = sources.filter((value) => !this.#inputs.includes(value));
    this.#kept = [...stay, ...once.flatMap(({ results }) => results.filter((result) => result !== undefined))];
    torch.useThreads(options.threads);
    for (const name of carried) this.#turnFilters(name, held[name]!, true);
    try {
      for (const [name, array] of Object.entries(held)) {
        this.#state.set(name, torch.put(array, typeOf(array), [array.length]));
      }
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
        this.#tensors[id] = torch.put(feeds[name]!, type, shape);
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
        const { type, shape, id } = value;
        if (!(name in held)) this.#write(torch.view(results[name]!, type, shape), this.#tensors[id]!);
      }
      this.#carry();
    } finally {
      for (const value of [...this.#inputs, ...this.#each.flatMap((step) => step.results)]) this.#free(value);
    }
  }

  /** Returns a copy of a held value. */
  read(name: string): HostArray {
    const copy = this.held[name]!.slice();
    scoped(this.torch, (own) => {
      this.torch.copy(own(this.torch.view(copy, typeOf(copy), [copy.length])), this.#state.get(name)!);
    });
    this.#turnFilters(name, copy, false);
    return copy;
  }

  /** Puts the filters in a held vector into the order in which it is held, or back. */
  #turnFilters(of: string, vector: HostArray, there: boolean): void {
    const { torch } = this;
    for (const { start, shape } of this.traced.filters.filter(({ names }) => names.includes(of))) {
      const [results, rows] = [shape[3]!, sizeOf(shape) / shape[3]!];
      const [before, after] = there ? [[rows, results], [results, rows]] as const : [[results, rows], [rows, results]];
      const part = vector.subarray(start, start + rows * results);
      scoped(torch, (own) => {
        const turned = own(dense(torch, own(permute(torch, own(torch.put(part, "float32", before!)), [1, 0]))));
        torch.copy(own(torch.view(part, "float32", after!)), turned);
      });
    }
  }

  /** Frees what stays. */
  release(): void {
    this.#kept.forEach((value) => this.#free(value));
    this.#state.forEach(this.torch.free);
    this.#state.clear();
  }

  #source(value: Value): Handle {
    const { torch } = this;
    if (value.kind === "input") return torch.part(this.#state.get(value.name)!, value.shape);
    const { type, shape, data } = value as Extract<Value, { kind: "constant" }>;
    const isWhole = data.length !== 1 || shape.length === 0;
    if (isWhole) return torch.put(data, type, shape);
    // One element stands for all.
    const words = [torch.list(shape.map(torch.int)), torch.bool(false)];
    return torch.call("aten::expand", torch.put(data, type, []), ...words);
  }

  #compute({ value, called, results, operands, overwrites, writes, done, run }: RunnableStep): void {
    const { torch } = this;
    try {
      const made = [run(operands.map(({ id }) => this.#tensors[id]!), overwrites)].flat();
      made.forEach((tensor, i) => {
        if (results[i] === undefined) torch.free(tensor);
        else this.#tensors[results[i].id] = tensor;
      });
      for (const { id, shape } of this.#hasRun ? [] : results.filter((result) => result !== undefined)) {
        const got = torch.shapeOf(this.#tensors[id]!);
        if (!sameShape(got, shape)) throw new Error(`its shape is [${got}], wanted [${shape}]`);
      }
    } catch (error) {
      const { label, placeOf } = this.options;
      const place = placeOf(value);
      const problem = `PyTorch's part "${called.op}" failed (called at ${place}): ${(error as Error).message}`;
      throw new Error(`Cannot run "${label}": ${problem}`, { cause: error });
    }
    for (const write of writes) this.#replace(write, this.#tensors[write.value.id]!);
    done.forEach((operand) => this.#free(operand));
  }

  /** Writes a tensor to another, which it frees, unless both are one place. */
  #write(target: Handle, tensor: Handle): void {
    const { torch } = this;
    const place = (one: Handle) => torch.kernel("aoti_torch_get_data_ptr", one);
    if (place(target) !== place(tensor)) torch.copy(target, tensor);
    torch.free(target);
  }

  #replace({ value, name, start }: Write, tensor: Handle): void {
    this.#write(this.torch.part(this.#state.get(name)!, value.shape, start), tensor);
  }

  /** Writes what could not be written before. What may be a view of a carried value is copied before any is written. */
  #carry(): void {
    const { torch } = this;
    const copies = this.#late.map(({ value }) => torch.kernel("aoti_torch_clone", this.#tensors[value.id]!));
    this.#late.forEach((write, i) => this.#replace(write, copies[i]!));
    copies.forEach(torch.free);
  }

  #free(value: Value | undefined): void {
    if (value === undefined) return;
    const { id } = value;
    const tensor = this.#tensors[id];
    if (tensor !== undefined) this.torch.free(tensor);
    this.#tensors[id] = undefined;
  }
}

const typeOf = (array: HostArray) => array instanceof Float32Array ? "float32" : "int32";
