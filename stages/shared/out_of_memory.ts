import type { StageContext, StageEnd } from "../../contract/stage.ts";
import { lessMemory } from "../../contract/less_memory.ts";
import { definedOnly } from "../../std/defined_only.ts";

type About = Pick<StageContext, "device"> & { readonly params: object };
type Work<C> = (context: C) => Promise<StageEnd | void>;

/** As TensorFlow, CUDA, WebGPU and ONNX Runtime say it. */
const NO_MEMORY =
  /RESOURCE_EXHAUSTED|OOM when allocating|CUDA_ERROR_OUT_OF_MEMORY|out of (?:GPU |device )?memory|failed to allocate memory/i;

/**
 * A stage's work, ended with what to change where the device has not the memory for it: that is no bug of the stage.
 * A part of it that is given other params than the file's is explained by these.
 */
export function explainMemory<C extends About>(run: Work<C>): Work<C> {
  return async (context) => {
    try {
      return await run(context);
    } catch (error) {
      const said = context.device && lackOfMemory(error);
      if (said === undefined) throw error;
      return outOfMemory(context, said);
    }
  };
}

/** The line that says it. What a stage throws may be anything, and may throw itself when it is looked at. */
function lackOfMemory(error: unknown): string | undefined {
  try {
    return error instanceof Error ? error.message.split("\n").find((line) => NO_MEMORY.test(line)) : undefined;
  } catch {
    return undefined;
  }
}

function outOfMemory({ params, device }: About, said: string): StageEnd {
  const { batchSize, microBatches } = params as { readonly batchSize?: number; readonly microBatches?: number };
  const sizes = Object.entries(definedOnly({ batchSize, microBatches })).map((size) => size.join(" "));
  const given = sizes.length === 0 ? "" : ` with ${sizes.join(" and ")}`;
  const other = device?.name === "tensorflow-gpu"
    ? "check nvidia-smi for other processes that use its memory"
    : "use a machine with more memory";
  const fix = [...lessMemory(params as Readonly<Record<string, unknown>>), other].join(", or ");
  return { status: "failed", message: `device ${device?.name} is out of memory${given}: ${said}`, fix };
}
