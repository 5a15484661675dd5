import type { StageEntry } from "../../../schemas/pipeline_file.ts";
import type { Diagnostic } from "../../diagnostic/diagnostic.ts";
import { suggestName } from "../../diagnostic/did_you_mean.ts";
import { extentParam, type Kind } from "../../keys/kind.ts";
import { atExtent, predecessorsOf, type Stage } from "../../keys/stage.ts";
import { diagnosticAt, type DocumentPath } from "../../diagnostic/document.ts";
import { issuesToDiagnostics } from "./issues.ts";
import type { Origins } from "../../diagnostic/document.ts";
import { nodeIdOf, parseReference, type Reference, stageIdOf } from "../compose/reference.ts";

/** What `uses` says of a stage that goes on with whatever a selection chose. */
export const CONTINUE = "continue";

/** A stage that goes on with one of the candidates of a selection, as far as the file says it. */
export interface Continuation {
  readonly chosen: Reference;
  readonly place: number;
  readonly ranking: string;
  readonly candidates: readonly Reference[];
  readonly kind: Kind;
  readonly extent: string;
}

type Report = (path: DocumentPath, message: string, fix: string, got?: string) => undefined;

/** Find what the stages of kind `continue` may become. Their kind is that of the candidates, which all have one. */
export function findContinuations(
  entries: ReadonlyMap<string, StageEntry>,
  kinds: ReadonlyMap<string, Kind | undefined>,
  origins: Origins,
): { readonly continuations: ReadonlyMap<string, Continuation>; readonly problems: readonly Diagnostic[] } {
  const continuations = new Map<string, Continuation>();
  const problems: Diagnostic[] = [];
  const report: Report = (path, message, fix, got) =>
    void problems.push(diagnosticAt(origins, path, { code: "invalid-value", message, fix, got }));
  for (const [id, entry] of entries) {
    if (entry.uses !== CONTINUE) continue;
    const found = findOne(id, entry, { entries, kinds, report });
    if (found !== undefined) continuations.set(id, found);
  }
  return { continuations, problems };
}

function findOne(
  id: string,
  entry: StageEntry,
  { entries, kinds, report }: {
    readonly entries: ReadonlyMap<string, StageEntry>;
    readonly kinds: ReadonlyMap<string, Kind | undefined>;
    readonly report: Report;
  },
): Continuation | undefined {
  const at = ["stages", id];
  const others = Object.keys(entry.inputs).filter((port) => port !== "chosen");
  for (const port of others) report([...at, "inputs", port], `continue has no input "${port}"`, "write chosen");
  if (entry.seed !== undefined) report([...at, "seed"], "continue has the seed of what was chosen", "remove seed");
  const written = entry.inputs["chosen"];
  const chosen = typeof written === "string" ? parseReference(written) : undefined;
  const select = chosen && kinds.get(stageIdOf(chosen));
  const slots = select?.slots;
  const names = slots === undefined ? [] : Object.keys(select!.outputs).filter((name) => name.startsWith(slots.prefix));
  if (chosen === undefined || slots === undefined || !names.includes(chosen.port ?? "")) {
    const fix = names.length > 0
      ? suggestName(chosen?.port ?? "", names)
      : "write chosen: pick.best1, pick being a select";
    return report(
      [...at, "inputs", "chosen"],
      "continue needs a slot of a selection",
      fix,
      String(written ?? "nothing"),
    );
  }
  const candidates = [entries.get(stageIdOf(chosen))!.inputs[slots.of] ?? []].flat().map(parseReference)
    .filter((one) => one !== undefined);
  const found = new Set(candidates.map((one) => kinds.get(stageIdOf(one))));
  const [kind] = found;
  const extent = kind === undefined ? undefined : extentParam(kind);
  if (found.size !== 1 || kind === undefined || extent === undefined) {
    const kindNames = [...found].map((one) => one?.name ?? "?").join(", ");
    return report(
      [...at, "inputs", "chosen"],
      "what was chosen from cannot go on",
      "select outputs of stages of one kind that has an extent, such as train",
      kindNames,
    );
  }
  for (const name of Object.keys(entry.with).filter((one) => one !== extent)) {
    const fix = `leave ${name} to the stages that are chosen from`;
    report([...at, "with", name], `continue can change ${extent} alone`, fix);
  }
  if (!Object.hasOwn(entry.with, extent)) {
    return report(at, `stage "${id}" does not say how far to go`, `add with: { ${extent}: … }`);
  }
  const place = Number(chosen.port!.slice(slots.prefix.length)) - 1;
  return { chosen, place, ranking: slots.ranking, candidates, kind, extent };
}

/** The stage that stands for whatever will be chosen. @param stages all other stages, by id */
export function continuedStage(
  id: string,
  entry: StageEntry,
  { chosen, place, ranking, candidates, extent }: Continuation,
  { entries, stages, origins, needs }: {
    readonly entries: ReadonlyMap<string, StageEntry>;
    readonly stages: ReadonlyMap<string, Stage>;
    readonly origins: Origins;
    readonly needs: readonly string[];
  },
): { readonly stage: Stage | undefined; readonly problems: readonly Diagnostic[] } {
  const to = entry.with[extent];
  const choices: { id: string; stage: Stage }[] = [];
  for (const candidate of candidates) {
    const base = stages.get(stageIdOf(candidate));
    if (base === undefined) return { stage: undefined, problems: [] };
    const outcome = base.kind.custom || base.choice !== undefined
      ? { ok: true as const, params: { ...base.params, [extent]: to } }
      : base.kind.validate({ ...entries.get(base.entry)!.with, [extent]: to });
    if (!outcome.ok) {
      return { stage: undefined, problems: issuesToDiagnostics(outcome.issues, ["stages", id, "with"], origins) };
    }
    const stage: Stage = {
      // Its entry stays that of the candidate, where its params are written.
      ...atExtent(base, id, extent, outcome.params[extent] as number),
      params: outcome.params,
      resources: { ...base.resources, ...entry.resources },
      timeoutMs: entry.timeout ?? base.timeoutMs,
      retries: entry.retries,
    };
    choices.push({ id: nodeIdOf(candidate), stage });
  }
  const select = stageIdOf(chosen);
  // Whatever is chosen, what it reads is there, and so is the run that it goes on with.
  const before = [select, ...choices.flatMap(({ stage }) => predecessorsOf(stage)), ...needs];
  const stage: Stage = {
    ...choices[0]!.stage,
    entry: id,
    needs: [...new Set(before)],
    choice: { ranking: { stage: select, port: ranking }, place, candidates: choices },
  };
  return { stage, problems: [] };
}
