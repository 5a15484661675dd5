import type { Forecast, PlannedStage } from "noiseline";

/** A planned stage as plain data. */
export function plannedToJson(id: string, planned: PlannedStage, forecast?: Forecast): Record<string, unknown> {
  const { state, fromStep, reasons, recipeKey, keys, manifest, stage } = planned;
  return {
    id,
    kind: stage.kind.name,
    state,
    fromStep,
    reasons,
    recipeKey,
    resolvedKey: keys?.resolvedKey ?? manifest?.resolvedKey,
    outputs: manifest && Object.fromEntries(Object.entries(manifest.outputs).map(([port, one]) => [port, one.digest])),
    forecast,
  };
}
