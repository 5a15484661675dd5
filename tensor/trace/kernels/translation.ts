import type { ElementType, Graph, Value } from "../graph.ts";

/** One call of a TF.js kernel while a function is traced. */
export interface KernelCall {
  readonly graph: Graph;
  input(name: string): Value;
  /** The inputs of a kernel that takes a list. */
  inputs(): Value[];
  /** The caller names the type that TF.js gives this attribute (its `kernel_names.ts`). */
  attribute<T>(name: string): T;
  /** The element type that TF.js asks for, if the graph has it. */
  elementType(name: string): ElementType;
  /** The call is outside of what can be translated. */
  fail(problem: string, fix: string): never;
}

/** Emits the ONNX operations of one TF.js kernel; returns its output, or its outputs. */
export type Translation = (call: KernelCall) => Value | readonly Value[];

/** By TF.js kernel name. */
export type TranslationTable = Readonly<Record<string, Translation>>;
