import type { EngineEvent } from "../../../engine/run/events.ts";
import type { RunOptions } from "../../../engine/run/run_options.ts";
import { runPipeline } from "../../../engine/run/run_pipeline.ts";
import { loadPipeline } from "../../../engine/pipeline/load/load_pipeline.ts";
import { openStore, type Store } from "../../../engine/store/store.ts";
import type { Project } from "../project.ts";
import { FAULT_KINDS } from "./kinds.ts";

/** The outcome of a run in this process. */
export interface Ran {
  /** The end of each stage. */
  readonly ended: Readonly<Record<string, string>>;
  /** Digests of all outputs by stage. */
  readonly digests: Readonly<Record<string, string>>;
  readonly warnings: readonly string[];
  readonly store: Store;
}

/** Runs `faults.yaml` in this process: for thousands of tries, starting a process for each would take hours. */
export async function runHere(
  project: Project,
  overrides: readonly string[] = [],
  options: RunOptions = {},
): Promise<Ran> {
  const loaded = await loadPipeline(project.path("faults.yaml"), { kinds: FAULT_KINDS, overrides });
  if (!loaded.ok) throw new Error(loaded.diagnostics.map(({ message }) => message).join("\n"));
  const store = openStore(project.path(".noiseline"));
  const warnings: string[] = [];
  const emit = (event: EngineEvent) => {
    if (event.type === "stage-note" && event.level === "warn") warnings.push(event.message);
  };
  const result = await runPipeline(loaded.value, store, { ...options, emit });
  if (!result.ok) throw new Error(result.diagnostics.map(({ message }) => message).join("\n"));
  const stages = [...result.value.stages];
  return {
    ended: Object.fromEntries(stages.map(([id, { state, message }]) => [id, message ?? state])),
    digests: Object.fromEntries(stages.map(([id, { manifest }]) => [
      id,
      Object.values(manifest?.outputs ?? {}).map(({ digest }) => digest).join(" "),
    ])),
    warnings,
    store,
  };
}
