import { dirname, resolve } from "node:path";
import { type Diagnostic, findStoreRoot, type RunRecord, type Store, suggestName } from "noiseline/engine";
import { refuseWith } from "./io.ts";
import { openStoreAt } from "./load.ts";

/** Whether an argument names a pipeline file rather than a run or a tag. */
export function isPipelineFile(text: string): boolean {
  return /\.(ya?ml|[mc]?[jt]s)$/.test(text);
}

export interface StoreArguments {
  readonly store?: string | undefined;
  readonly json?: boolean | undefined;
  /** A pipeline file whose store is meant; its content is not looked at. */
  readonly file?: string | undefined;
}

/** The store that is given, or that of the pipeline file, or that of this folder. */
export function storeFor({ store, file, json = false }: StoreArguments): Store {
  if (file !== undefined) {
    try {
      Deno.statSync(file);
    } catch (error) {
      refuseWith([problem(`Cannot read ${file}: ${(error as Error).message}`, "check the path")], json);
    }
  }
  const folder = file === undefined ? Deno.cwd() : dirname(resolve(file));
  return openStoreAt(store === undefined ? findStoreRoot(folder) : resolve(store), json);
}

/** The run of that id, or the end of the command. */
export function runFor(store: Store, id: string, json: boolean): RunRecord {
  const run = store.runs.read(id);
  if (run !== undefined) return run;
  refuseWith([unknownRun(store, id)], json);
}

/** @param tags whether a tag would have done too */
export function unknownRun(store: Store, name: string, tags = false): Diagnostic {
  const known = [...tags ? store.tags.names() : [], ...store.runs.ids()];
  const fix = known.length === 0 ? "run a pipeline first, or name its file" : suggestName(name, known);
  return problem(`there is no ${tags ? "tag or run" : "run"} "${name}" in ${store.root}`, fix);
}

export function problem(message: string, fix: string): Diagnostic {
  return { severity: "error", code: "check", message, fix };
}
