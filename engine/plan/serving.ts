import { LOST_FILE } from "../contract/stage.ts";
import type { ResultManifest } from "../../schemas/records.ts";
import type { Action } from "../keys/action.ts";
import { hasCurve, type Stage } from "../keys/stage.ts";
import { CURVE_PORT } from "../../schemas/log.ts";

/** True if a result was made from what the stages before it would give now, as far as that is known. */
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

/** True if a record has the outputs of an action. One with other outputs was not made by it, whatever its key says. */
export function hasPortsOf({ outputs: own, stage }: Action, { outputs }: ResultManifest): boolean {
  // The loss of a trial is no result of a stage that is none.
  const isLost = !stage.isTrial && Object.values(outputs).some(({ files }) => files[0]?.path === LOST_FILE);
  const curve = outputs[CURVE_PORT];
  if (isLost || (stage.isCurveRead === true && curve === undefined)) return false;
  return Object.keys({ ...own, ...outputs }).every((port) =>
    own[port] === undefined
      ? port === CURVE_PORT && hasCurve(stage.kind) && curve?.type === "log"
      : own[port].type === outputs[port]?.type
  );
}
