import * as tf from "@tensorflow/tfjs-core";
import { assert, assertEquals } from "@std/assert";
import type { PureFunction } from "../../../../science/tensor/device.ts";
import { inBfloat16 } from "../../../../science/tensor/torch/bfloat16.ts";
import { LAYER_TRANSLATIONS } from "../../../../science/tensor/torch/layers.ts";
import { describeTorch, torchNumerics } from "../../../../science/tensor/torch/describe.ts";
import { liveValues, type Value } from "../../../../science/tensor/trace/graph.ts";
import { trace } from "../../../../science/tensor/trace/trace.ts";
import { float32 } from "../../../support/tensors.ts";
import { SMALL_STEP, SMALL_STEP_INPUTS } from "./small_train_step.ts";

const flags = (words: string) => new Set(words.split(" "));
const AMD = flags("avx2 fma sse4a avx512f avx512_bf16");
const INTEL = flags("avx2 fma avx512f avx512_bf16");
const AMX = flags("avx2 fma avx512f avx512_bf16 amx_bf16");

Deno.test("precision bf16 is refused, with the reason, where the processor has no instructions for it", () => {
  for (const without of [flags("avx2 fma avx512f"), flags("asimd")]) {
    const { available, reason, fix } = describeTorch({ threads: 2, precision: "bf16" }, without);
    assertEquals([available, fix], [false, "use precision fp32"]);
    assert(reason.includes("no instructions for bf16 (AVX-512-bf16 or AMX)"), reason);
  }
});

Deno.test("numerics say that products are rounded to bf16, and by which instructions", () => {
  const classOf = (precision: "fp32" | "bf16", processor: ReadonlySet<string>) =>
    torchNumerics(2, precision, processor).split("/")[2];
  const family = Deno.build.arch === "x86_64" ? "x86" : "arm64";
  assertEquals(classOf("bf16", INTEL), "x86-avx512-bf16");
  assertEquals(classOf("bf16", AMX), "x86-amx-bf16");
  assert(
    classOf("bf16", flags("avx2 fma"))!.startsWith(family) && classOf("bf16", flags("x"))!.endsWith("-emulated-bf16"),
  );
  for (const processor of [INTEL, AMX, AMD]) assert(!classOf("fp32", processor)!.includes("bf16"));
});

const traced = async (fn: PureFunction, inputs: Parameters<typeof trace>[1]) => {
  await tf.ready();
  const { outputs } = inBfloat16(trace(fn, inputs, "test", { kernels: LAYER_TRANSLATIONS }));
  return liveValues(outputs.values()).filter((value) => value.kind === "operation");
};

Deno.test("in bf16 products alone are rounded, each operand once, and results go from product to product as they are", async () => {
  const values = await traced(
    ({ a, b }) => ({ y: tf.add(tf.matMul(tf.matMul(a!, b!), a!), tf.matMul(tf.relu(a!), b!)) }),
    { a: float32(4, 4), b: float32(4, 4) },
  );
  const casts = values.filter(({ op }) => op === "Cast").map(({ inputs, type }) => [inputs[0]!.type, type]);
  const narrowed = casts.filter(([, type]) => type === "bfloat16");
  // Those of a, b and relu(a); the first product is read in bfloat16, the other two in float32.
  assertEquals([narrowed.length, casts.length], [3, 5]);
  assertEquals(values.at(-1)!.type, "float32");
});

Deno.test("in bf16 all of a training step but its products is in float32", async () => {
  const values = await traced(SMALL_STEP, SMALL_STEP_INPUTS);
  const products = new Set([
    "forward",
    "inputGradient",
    "filterGradient",
    "Gemm",
    "MatMul",
    "Attention",
    "AttentionGradient",
  ]);
  assert(values.some(({ op }) => op === "filterGradient"));
  for (const { op, type, inputs } of values) {
    const isProduct = products.has(op);
    const isPart = (value: Value) => value.kind === "operation" && value.op === "Part";
    assert(op === "Cast" || op === "Part" || (type === "bfloat16") === isProduct, `${op} in ${type}`);
    // Attention keeps logarithms of sums in float32.
    if (isProduct) assert(inputs.every((input) => input.type === "bfloat16" || isPart(input)), op);
  }
});
