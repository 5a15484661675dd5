import type { ElementType, Graph, Value } from "../graph.ts";

/** One call of a TF.js kernel while a function is traced. */
export interface KernelCall {
  readonly graph: Graph;
  input(name: string): Value;
  /** The inputs of a kernel that takes a list. */
  inputs(): Value[];
  /** Of the types that TF.js gives them (its `kernel_names.ts`). */
  // deno-lint-ignore no-explicit-any
  readonly attributes: any;
  /** The element type that TF.js asks for as attribute `dtype`, if the graph has it. */
  elementType(): ElementType;
  /** The call is outside of what can be translated. */
  fail(problem: string, fix: string): never;
}

/** Emits the ONNX operations of one TF.js kernel; returns its output, or its outputs. */
export type Translation = (call: KernelCall) => Value | readonly Value[];

/** By TF.js kernel name. */
export type TranslationTable = Readonly<Record<string, Translation>>;
