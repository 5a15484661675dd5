import { diagnosticToJson } from "noiseline/core";
import { plannedToJson } from "../format/plan.ts";
import { printLine } from "../io.ts";
import type { CliEvent } from "./text.ts";

/** Events as JSON lines, for programs. */
export class JsonReporter {
  emit(event: CliEvent): void {
    switch (event.type) {
      case "run-started": {
        const { plan, ...rest } = event;
        const stages = [...plan.stages].map(([id, planned]) => plannedToJson(id, planned));
        return printLine(JSON.stringify({ ...rest, pipeline: plan.pipeline.name, stages }));
      }
      case "stage-started": {
        const { planned, ...rest } = event;
        return printLine(JSON.stringify({ ...rest, ...plannedToJson(event.id, planned) }));
      }
      case "warning":
        return printLine(JSON.stringify({ type: "warning", ...diagnosticToJson(event.diagnostic) }));
      default:
        return printLine(JSON.stringify(event));
    }
  }

  close(): void {}
}
