import { webgpu_util, type WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import { FINAL_TERM, POSITION_STEP, siteOffset } from "../counter_words.ts";
import { gridOf, KEEP_MASK, keepRule, registerKeepMask } from "../keep_mask.ts";

/**
 * Registers the mask for TF.js's WebGPU backend, which cannot read the key synchronously: one shader computes
 * everything.
 */
export function registerWebgpuKeepMask(backendName: string): void {
  registerKeepMask<WebGPUBackend>(backendName, ({ key, shape, site, rate, backend }) => {
    const { threshold, scale } = keepRule(rate);
    const [outputShape, workgroupSize] = [[...shape], [64, 1, 1] as [number, number, number]];
    const dispatchLayout = webgpu_util.flatDispatchLayout(outputShape);
    const program = {
      variableNames: ["key"],
      // TF.js adds the bindings, all shapes, and the entry point, which calls `main` with the index of each element.
      uniforms: "gridSize : i32, siteOffset0 : i32, siteOffset1 : i32, threshold : u32, scale : f32,",
      shaderKey: KEEP_MASK,
      outputShape,
      workgroupSize,
      dispatchLayout,
      dispatch: webgpu_util.computeDispatch(dispatchLayout, outputShape, workgroupSize),
      size: true,
      getUserCode: () => SHADER,
    };
    return backend.runWebGPUProgram(program, [key], "float32", [
      { type: "int32", data: [gridOf(shape).size] },
      { type: "int32", data: [siteOffset(site, 0)] },
      { type: "int32", data: [siteOffset(site, 1)] },
      { type: "uint32", data: [threshold] },
      { type: "float32", data: [scale] },
    ]);
  });
}

/** `counterWords` and `keepMask` in WGSL, whose u32 wraps around as they do. */
const SHADER = `
  fn mixWord(u : u32) -> u32 {
    let r = u * (2u * u + 1u);
    return r + (r >> 16u);
  }

  fn main(index : i32) {
    if (index < uniforms.size) {
      let position = u32(index % uniforms.gridSize);
      let image = u32(index / uniforms.gridSize);
      let positionWord = bitcast<u32>(key[0] + uniforms.siteOffset0);
      let imageWord = bitcast<u32>(key[1] + uniforms.siteOffset1);
      let positionFirst = mixWord(position * ${POSITION_STEP}u + positionWord);
      let imageFirst = mixWord(image * ${POSITION_STEP}u + imageWord);
      let r = (mixWord(positionFirst) + mixWord(imageFirst)) * (2u * (positionFirst + imageFirst) + 1u);
      let y = r + (r >> 16u);
      let word = y * (y + ${FINAL_TERM}u);
      setOutputAtIndex(index, select(uniforms.scale, 0.0, word < uniforms.threshold));
    }
  }
`;
