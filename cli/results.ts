import type { Store, TagRecord } from "noiseline/engine";
import { EXIT, Exit, printDiagnostics, printJson } from "./io.ts";
import { type LoadArguments, loadForCommand, makePlanner } from "./load.ts";
import { isPipelineFile, problem, runFor, storeFor } from "./operands.ts";
import type { CliSettings } from "./settings.ts";

/** The results that an argument means: of a pipeline as it is now, or of a run. Ends the command where there are none. */
export async function contentsFor(
  settings: CliSettings,
  what: string | undefined,
  options: Pick<LoadArguments, "set" | "profile" | "store">,
  json: boolean,
): Promise<{ store: Store; contents: TagRecord }> {
  const { contentsOfPlan, contentsOfRun } = await import("noiseline/housekeeping");
  if (what !== undefined && isPipelineFile(what)) {
    // Not all that the command was given: its --force means something else.
    const { set = [], profile = [], store } = options;
    const loaded = await loadForCommand(settings, { file: what, set, profile, store, json });
    const contents = contentsOfPlan(await makePlanner(loaded, {}, json).plan(), loaded.store);
    return { store: loaded.store, contents: contents.ok ? contents.value : failWith(contents.diagnostics, json) };
  }
  const store = storeFor(options);
  const done = () => [...store.runs.newestFirst()].find(({ status }) => status === "done");
  const run = what === undefined ? done() : runFor(store, what, json);
  if (run === undefined) {
    return failWith([problem(`no run is done in ${store.root}`, "name a pipeline file, or run one first")], json);
  }
  const contents = contentsOfRun(run, store);
  return { store, contents: contents.ok ? contents.value : failWith(contents.diagnostics, json) };
}

/** The arguments are good, but what they ask for is not there yet. */
export function failWith(diagnostics: Parameters<typeof printDiagnostics>[0], json: boolean): never {
  if (json) printJson({ ok: false, errors: diagnostics.map(({ message, fix }) => ({ message, fix })) });
  else printDiagnostics(diagnostics);
  throw new Exit(EXIT.failed);
}
