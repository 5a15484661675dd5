import type { StageContext, StageEnd } from "../../engine/contract/stage.ts";
import { lessMemory } from "../../engine/contract/less_memory.ts";
import { definedOnly } from "../../std/defined_only.ts";

type About = Pick<StageContext, "device"> & { readonly params: object };
type Work<C> = (context: C) => Promise<StageEnd | void>;

/** The messages of TensorFlow, CUDA, WebGPU, ONNX Runtime and PyTorch. */
const NO_MEMORY =
  /RESOURCE_EXHAUSTED|OOM when allocating|CUDA_ERROR_OUT_OF_MEMORY|out of (?:GPU |device )?memory|failed to allocate memory|can't allocate memory/i;

/**
 * Wraps a stage's work: if the device runs out of memory, which is not a bug of the stage, the stage ends with advice
 * on what to change. A part of the work that gets other params than those of the file is explained with its own params.
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

/**
 * Finds the line of a message that reports it. A stage may throw anything, even a value that throws when it is
 * examined.
 */
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
