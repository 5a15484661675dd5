import type { ResultManifest } from "../../schemas/records.ts";
import type { Stage } from "../keys/stage.ts";

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
export function hasPortsOf({ kind }: Stage, { outputs }: ResultManifest): boolean {
  const ports = Object.keys({ ...kind.outputs, ...outputs });
  return ports.every((port) => kind.outputs[port] !== undefined && kind.outputs[port].type === outputs[port]?.type);
}
