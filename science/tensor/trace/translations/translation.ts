import type { ElementType, Graph, Value } from "../graph.ts";

/** One call of a TF.js kernel while a function is traced. */
export interface KernelCall {
  readonly graph: Graph;
  input(name: string): Value;
  /** Returns the inputs of a kernel that takes a list. */
  inputs(): Value[];
  /** The attributes, with the types that TF.js gives them (its `kernel_names.ts`). */
  // deno-lint-ignore no-explicit-any
  readonly attributes: any;
  /** Returns the element type of TF.js's attribute `dtype`, if the graph supports it. */
  elementType(): ElementType;
  /** Refuses a call that cannot be translated. */
  fail(problem: string, fix: string): never;
}

/** Emits the ONNX operations of one TF.js kernel; returns its output, or its outputs. */
export type Translation = (call: KernelCall) => Value | readonly Value[];

/** Translations by TF.js kernel name. */
export type TranslationTable = Readonly<Record<string, Translation>>;
