import type { Forecast } from "noiseline/engine";
import { diagnosticToJson, type PlannedStage } from "noiseline/core";

/** A planned stage as plain data. */
export function plannedToJson(id: string, planned: PlannedStage, forecast?: Forecast): Record<string, unknown> {
  const { state, fromStep, reasons, recipeKey, keys, manifest, stage, device, problem } = planned;
  return {
    id,
    kind: stage.kind.name,
    state,
    fromStep,
    device: device && { name: device.name, numerics: device.numerics, reason: device.reason },
    problem: problem && diagnosticToJson(problem),
    reasons,
    recipeKey,
    resolvedKey: keys?.resolvedKey ?? manifest?.resolvedKey,
    outputs: manifest && Object.fromEntries(Object.entries(manifest.outputs).map(([port, one]) => [port, one.digest])),
    forecast,
  };
}
