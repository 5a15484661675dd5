import onnxProto from "onnx-proto";

const { onnx } = onnxProto;
const { FLOAT } = onnx.TensorProto.DataType;

/**
 * Returns an ONNX graph from images [N, 3, S, S] to `pooled` [N, 3, 1, 1], their mean by channel, and `logits` [N, 3],
 * twice that. With a number of `tiles` it also has an output `wide`, the logits so many times.
 */
export function tinyGraph(metadata: Readonly<Record<string, string>> = {}, tiles = 0): Uint8Array<ArrayBuffer> {
  const info = (name: string, dims: (string | number)[]) => ({
    name,
    type: {
      tensorType: {
        elemType: FLOAT,
        shape: { dim: dims.map((dim) => typeof dim === "string" ? { dimParam: dim } : { dimValue: dim }) },
      },
    },
  });
  const initializer = (name: string, dims: number[], data: Float32Array | BigInt64Array) => ({
    name,
    dims,
    dataType: data instanceof Float32Array ? FLOAT : onnx.TensorProto.DataType.INT64,
    rawData: new Uint8Array(data.buffer),
  });
  const bytes = onnx.ModelProto.encode({
    irVersion: 8,
    opsetImport: [{ domain: "", version: 18 }],
    metadataProps: Object.entries(metadata).map(([key, value]) => ({ key, value })),
    graph: {
      name: "tiny",
      node: [
        { opType: "GlobalAveragePool", input: ["images"], output: ["pooled"] },
        { opType: "Reshape", input: ["pooled", "flat"], output: ["rows"] },
        { opType: "Mul", input: ["rows", "two"], output: ["logits"] },
        ...tiles > 0 ? [{ opType: "Tile", input: ["logits", "times"], output: ["wide"] }] : [],
      ],
      initializer: [
        initializer("flat", [2], BigInt64Array.of(-1n, 3n)),
        initializer("two", [], Float32Array.of(2)),
        ...tiles > 0 ? [initializer("times", [2], BigInt64Array.of(1n, BigInt(tiles)))] : [],
      ],
      input: [info("images", ["N", 3, "S", "S"])],
      output: [
        info("pooled", ["N", 3, 1, 1]),
        info("logits", ["N", 3]),
        ...tiles > 0 ? [info("wide", ["N", "W"])] : [],
      ],
    },
    // deno-lint-ignore no-explicit-any -- the package's types want every field of every message
  } as any).finish();
  return Uint8Array.from(bytes);
}
