import type { ResultManifest } from "../../schemas/records.ts";
import { outputsOf, type Stage } from "../keys/stage.ts";

/** Whether a result was made from what the stages before it would give now, as far as that is known. */
export function readsLatest(
  stage: Stage,
  manifest: ResultManifest,
  latest: ReadonlyMap<string, ResultManifest>,
): boolean {
  return Object.entries(stage.inputs).every(([port, bindings]) =>
    bindings.every((binding, index) => {
      const artifact = latest.get(binding.stage)?.outputs[binding.port];
      return artifact === undefined || artifact.digest === manifest.ingredients.inputs[port]?.[index];
    })
  );
}

/** Whether a record has the outputs of a stage. One that has others was not made by it, whatever its key says. */
export function hasPortsOf(stage: Stage, { outputs }: ResultManifest): boolean {
  const own = outputsOf(stage);
  return Object.keys({ ...own, ...outputs }).every((port) =>
    own[port] !== undefined && own[port].type === outputs[port]?.type
  );
}
