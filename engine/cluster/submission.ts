import { hostname, userInfo } from "node:os";
import { basename, join, resolve } from "node:path";
import {
  type JobEnd,
  jobEndSchema,
  jobStartSchema,
  type Part,
  type StageLine,
  stageLineSchema,
  type Submission,
  submissionSchema,
} from "../../schemas/cluster_records.ts";
import { errorOf, refuse, type Result, succeed } from "../diagnostic/diagnostic.ts";
import type { DigestedExternals } from "../keys/externals.ts";
import { actionsOf, inputsOf } from "../keys/action.ts";
import { keysOfActions } from "../keys/keys.ts";
import { grantedFiles } from "../keys/stage.ts";
import { withPredecessors } from "../pipeline/compose/order.ts";
import { packKind, textOf } from "../pipeline/load/pipeline_loader.ts";
import type { Pipeline } from "../pipeline/pipeline.ts";
import type { RightsRequest } from "../run/rights.ts";
import type { Digests } from "../store/digests.ts";
import { makeFolder, writeAtomically, writeNew } from "../store/files.ts";
import { fileNameOf, makeDurableFolder } from "../store/folders.ts";
import { newRunId } from "../store/run_ids.ts";
import { fill, isThere, MAX_RECORD_BYTES, openPlain, readIfThere, realPath, sha256Of } from "../store/reading.ts";
import { parseJson, readRecord, recordText } from "../store/records.ts";
import { allowWritesBelow, inside } from "../store/write_roots.ts";
import { unlessReadable } from "../store/io_errors.ts";
import { Shipment } from "./bundles.ts";

/** Returns the path of a folder for clusters in the shared cache. */
export function clusterFolder(cache: string, ...names: readonly string[]): string {
  return join(cache, "cluster", ...names);
}

/** A part as the submitting process knows it: by ids of stages. */
export interface PartRequest extends Omit<Part, "lines"> {
  readonly stages: readonly string[];
}

interface SubmissionRequest extends Pick<Submission, "cluster" | "settings" | "versions"> {
  readonly pipeline: Pipeline;
  /** Digests of what the stages read from outside, by stage. */
  readonly externals: DigestedExternals["externals"];
  /** Results that are kept, by recipe. */
  readonly keeps?: Parameters<typeof keysOfActions>[3];
  /** Custom stages with the rights that the user has granted to them: all that they ask for. */
  readonly grants: readonly RightsRequest[];
  readonly parts: readonly PartRequest[];
  /** The folder of the shared cache. */
  readonly cache: string;
  readonly digests: Digests;
}

/**
 * Writes everything that jobs need into the shared cache: the stages of the parts and those that they read, with their
 * keys; code of custom stages and files from outside as objects. The head is written last, so that a submission that
 * was cut off does not exist.
 */
export async function writeSubmission(request: SubmissionRequest): Promise<Result<TrustedSubmission>> {
  const { pipeline, externals, parts, cache, digests, cluster, settings, grants, versions } = request;
  const all = actionsOf(pipeline.stages.values());
  const edges = new Map(all.map((action) => [action.id, inputsOf(action)]));
  const wanted = withPredecessors(edges, parts.flatMap(({ stages }) => stages));
  const actions = all.filter(({ id }) => wanted.has(id));
  const { folder: home, name, seed, file, overrides, profiles } = pipeline;
  const keys = keysOfActions(actions, externals, undefined, request.keeps);

  const shipment = new Shipment(digests);
  const kinds = [...new Set(actions.map(({ stage: { kind } }) => kind))];
  const numbers = new Map(kinds.map((kind, index) => [kind, index]));
  const granted = new Map(grants.map(({ file, rights }) => [file, [...rights]]));
  const packed = kinds.map((kind) => ({
    kind: packKind(kind),
    codes: grantedFiles(kind).map(({ file, files = [] }) => ({
      code: shipment.addCode(file, files),
      rights: granted.get(realPath(file)) ?? [],
    })),
  }));
  const lineOf = new Map(actions.map(({ id }, index) => [id, index]));
  const heads: Submission["stages"] = [];
  const texts: string[] = [];
  let at = 0;
  for (const { id, stage } of actions) {
    const { kind, needs: _needs, timeoutMs: _timeoutMs, probe: _probe, ...rest } = stage;
    const line: Omit<StageLine, "stage"> & { stage: unknown } = {
      stage: { ...rest, kind: numbers.get(kind)! },
      reads: [...new Set(edges.get(id))].map((one) => lineOf.get(one)!),
      externals: externals.get(stage.id)!,
      files: shipment.addExternals(stage, home),
    };
    if (textOf(line) === undefined) {
      const message = `stage "${stage.id}" cannot be sent to a cluster: its params have no text`;
      return refuse([errorOf("check", message, "give it params of plain texts, numbers, lists and maps")]);
    }
    const text = `${JSON.stringify(line)}\n`;
    const { length } = new TextEncoder().encode(text);
    heads.push({ id, recipeKey: keys.get(id)!.recipeKey, at, length, sha256: sha256Of(text) });
    texts.push(text);
    at += length;
  }
  const trouble = await shipment.send(cache);
  if (trouble !== undefined) return refuse([trouble]);

  const id = `${newRunId(new Date(), Deno.pid)}-${crypto.randomUUID().slice(0, 8)}`;
  const folder = clusterFolder(cache, "submissions", id);
  allowWritesBelow(cache);
  makeDurableFolder(folder);
  for (const name of ["ends", "stages", "logs"]) makeFolder(join(folder, name));
  writeNew(join(folder, "stages.jsonl"), texts.join(""));
  const submission: Submission = {
    format: 1,
    id,
    cluster,
    user: currentUser(),
    host: hostname(),
    at: new Date().toISOString(),
    pipeline: { name, seed, file, overrides: [...overrides], profiles: [...profiles] },
    kinds: packed,
    stages: heads,
    parts: parts.map(({ stages, ...part }) => ({ ...part, lines: stages.map((one) => lineOf.get(one)!) })),
    settings,
    versions,
  };
  const path = join(folder, "submission.json");
  const text = recordText(path, submissionSchema, submission);
  writeAtomically(path, text);
  return succeed(new OpenSubmission(resolve(folder), submission, sha256Of(text)));
}

/** One attempt of a job at the stage of a line. */
export type Attempt = Pick<JobEnd, "line" | "job" | "attempt">;

/** Returns true if the folder of a submission can be seen; the file system of its cache may be away for a while. */
export function isHere(folder: string): boolean {
  return isThere(join(folder, "submission.json"));
}

/** A submission that was read. Each of its stages is read when it is wanted. */
export class OpenSubmission<Digest extends string | undefined = string | undefined> {
  /** @param digest SHA-256 of the head, if the caller knew it before reading the head; otherwise undefined */
  constructor(readonly folder: string, readonly head: Submission, readonly digest: Digest) {}

  /** The shared cache that the submission lies in. */
  get cache(): string {
    return resolve(this.folder, "../../..");
  }

  /**
   * Returns the file to which the queue writes the output of a part's jobs or of a helper: one for each child of an
   * array.
   */
  outputPath(what: string, child?: string): string {
    const { logs } = this.head.settings;
    const path = logs === undefined ? join(this.folder, "logs", what) : join(logs, `${this.head.id}.${what}`);
    return `${path}.log${child === undefined ? "" : `.${child}`}`;
  }

  /** Returns the root of the records of a stage's runs. */
  runsOf(line: number): string {
    return inside(this.folder, "stages", fileNameOf(this.head.stages[line]!.id));
  }

  /** Returns the path of the record of how an attempt began (`start`) or ended (`json`). */
  attemptPath({ line, job, attempt }: Attempt, what: "start" | "json"): string {
    return inside(this.folder, "ends", `${line}.${job}.${attempt}.${what}`);
  }

  readEnd(attempt: Attempt): JobEnd | undefined {
    return readRecord(this.attemptPath(attempt, "json"), jobEndSchema);
  }

  /** Returns the step from which an attempt began to compute; null if it is not known. */
  startOf(attempt: Attempt): number | null {
    return readRecord(this.attemptPath(attempt, "start"), jobStartSchema)?.fromStep ?? null;
  }

  /** Returns the newest step that attempts are known to have saved or found saved; undefined if none has begun. */
  savedStep(attempts: readonly Attempt[] = []): number | undefined {
    const begun = attempts.flatMap((one) => readRecord(this.attemptPath(one, "start"), jobStartSchema) ?? []);
    const steps = begun.flatMap(({ fromStep, toStep }) => fromStep === null ? [] : [toStep ?? fromStep]);
    return steps.length === 0 ? undefined : Math.max(...steps);
  }

  /** Reads the stage of a line; undefined if it is not what the head says. */
  readStage(line: number): StageLine | undefined {
    const { at, length, sha256 } = this.head.stages[line]!;
    const bytes = unlessReadable(() => {
      using file = openPlain(join(this.folder, "stages.jsonl"));
      file.seekSync(at, Deno.SeekMode.Start);
      return fill(new Uint8Array(length), file);
    }, undefined);
    if (bytes === undefined || sha256Of(bytes) !== sha256) return undefined;
    return parseJson(new TextDecoder().decode(bytes), stageLineSchema);
  }
}

/** Returns the fix for a stage that may go on: what running it again would do. @param saved see `savedStep` */
export function goOn(saved: number | undefined): string {
  const what = saved === 0 ? "nothing was saved, so it begins anew" : `it goes on from step ${saved}`;
  return `run again with --on${saved === undefined ? "" : `: ${what}`}`;
}

/** A submission whose head is the one that was submitted, so that what the head says may be executed. */
export type TrustedSubmission = OpenSubmission<string>;

/**
 * Reads the head of a submission.
 * @param digest the digest of the expected head; without it nothing in the submission may be executed
 */
export function openSubmission<Digest extends string | undefined = undefined>(
  folder: string,
  digest?: Digest,
): Result<OpenSubmission<Digest>> {
  const at = resolve(folder);
  const bytes = readIfThere(join(at, "submission.json"));
  const refused = (what: string) => {
    const fix = "see that this machine sees the shared cache as others do, then submit again: run with --on";
    return refuse<OpenSubmission<Digest>>([errorOf("cache", `Cannot use the submission ${at}: ${what}`, fix)]);
  };
  if (bytes === undefined) return refused("it is not there, or cannot be read");
  if (digest !== undefined && sha256Of(bytes) !== digest) return refused("it is not the one that was submitted");
  const head = parseJson(new TextDecoder().decode(bytes), submissionSchema);
  if (head === undefined || head.id !== basename(at) || !isSound(head)) {
    return refused("it is damaged, or of another version of noiseline");
  }
  return succeed(new OpenSubmission(at, head, digest as Digest));
}

/** Returns true if all numbers in the head refer to things that are there. */
function isSound({ stages, parts }: Submission): boolean {
  return stages.every(({ length }) => length <= MAX_RECORD_BYTES) &&
    parts.every((part, index) =>
      part.lines.every((line) => line < stages.length) &&
      (part.children ?? [0]).length === part.lines.length &&
      part.after.every((one) => !one.startsWith("p") || parseInt(one.slice(1)) < index)
    );
}

/** The name of the current user. In containers a user may have no name. */
function currentUser(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${Deno.uid()}`;
  }
}
