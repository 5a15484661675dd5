import onnxProto from "onnx-proto";
import * as ort from "onnxruntime-node";
import type { Float64Matrix, MatrixProducts } from "../matrix.ts";
import { runWithoutCopies } from "./no_copies.ts";
import { encodeModel } from "./serialize.ts";
import { createSession } from "./session.ts";

const { onnx } = onnxProto;
const DOUBLE = onnx.TensorProto.DataType.DOUBLE;
const INT = onnx.AttributeProto.AttributeType.INT;

/** Returns a model of one Gemm for matrices of any size. */
function gemmModel(transposeA: boolean, transposeB: boolean): Uint8Array {
  const info = (name: string, dims: readonly string[]) => ({
    name,
    type: { tensorType: { elemType: DOUBLE, shape: { dim: dims.map((dimParam) => ({ dimParam })) } } },
  });
  const flag = (name: string, on: boolean) => ({ name, type: INT, i: Number(on) });
  const attribute = [flag("transA", transposeA), flag("transB", transposeB)];
  return encodeModel({
    name: "gemm",
    node: [{ opType: "Gemm", input: ["a", "b"], output: ["y"], attribute }],
    input: [info("a", ["ar", "ac"]), info("b", ["br", "bc"])],
    output: [info("y", ["yr", "yc"])],
  });
}

/** Opens matrix products in ONNX Runtime on the CPU. @param options.threads default: all cores */
export function openFloat64Products(
  { threads = navigator.hardwareConcurrency }: { readonly threads?: number | undefined } = {},
): MatrixProducts & AsyncDisposable {
  const sessions = new Map<string, Promise<ort.InferenceSession>>();
  const tensor = ({ rows, columns, data }: Float64Matrix) => new ort.Tensor("float64", data, [rows, columns]);
  return {
    async multiply(a, b, { transposeA = false, transposeB = false } = {}) {
      const [rows, columns] = [transposeA ? a.columns : a.rows, transposeB ? b.rows : b.columns];
      const data = new Float64Array(rows * columns);
      // An empty product needs no computation, and an engine may refuse one.
      if (data.length === 0 || a.data.length === 0) return { rows, columns, data };
      const make = () => createSession(gemmModel(transposeA, transposeB), threads);
      const session = await sessions.getOrInsertComputed(`${transposeA} ${transposeB}`, make);
      await runWithoutCopies(session, { a: tensor(a), b: tensor(b) }, { y: tensor({ rows, columns, data }) });
      return { rows, columns, data };
    },
    async [Symbol.asyncDispose]() {
      for (const session of sessions.values()) await (await session).release();
    },
  };
}
