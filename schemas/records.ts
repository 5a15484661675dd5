import { z } from "zod";
import { ARTIFACT_TYPES, type ArtifactType, FORMER_ARTIFACT_TYPES } from "./artifacts.ts";
import { ID_PATTERN, PORT_PATTERN } from "./pipeline_file.ts";

/** Every record that the store writes. A record that does not parse counts as absent, never as an answer. */

export const sha256Schema = z.string().regex(/^[0-9a-f]{64}$/);

/** The id of a run, which names its folder. */
const runIdSchema = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9-]{0,63}$/);

/** The longest name that file systems take. */
const MAX_NAME_BYTES = 255;
/** Matches an empty part of a path, or one that leads elsewhere. */
const NO_NAME = /(?:^|\/)\.{0,2}(?:\/|$)/;
/** Control characters would act on terminals, or change the order of what they show. */
const BAD_CHARACTER = /[\\\p{Cc}\p{Bidi_Control}]/u;

/** Returns true if every file system takes all parts of a path as names. */
function hasNames(path: string): boolean {
  if (NO_NAME.test(path) || BAD_CHARACTER.test(path) || !path.isWellFormed()) return false;
  // UTF-8 takes at most three bytes for each UTF-16 unit.
  return path.length * 3 <= MAX_NAME_BYTES ||
    path.split("/").every((part) => new TextEncoder().encode(part).length <= MAX_NAME_BYTES);
}

/** Paths inside artifacts are relative, POSIX, and stay inside. */
export const relativePathSchema = z.string().min(1).max(1024).refine(hasNames, {
  error: "a relative path without . or .., of names that every file system takes",
});

export const fileEntrySchema = z.strictObject({
  path: relativePathSchema,
  size: z.int().min(0),
  sha256: sha256Schema,
});

/** Returns true if one folder can hold all files: no name occurs twice, or as both a file and a folder. */
function fitTogether(files: readonly { readonly path: string }[]): boolean {
  const names = new Set(files.map(({ path }) => path));
  const folders = new Set<string>();
  for (const { path } of files) {
    for (let cut = path.lastIndexOf("/"); cut > 0; cut = path.lastIndexOf("/", cut - 1)) {
      const folder = path.slice(0, cut);
      if (folders.has(folder)) break;
      folders.add(folder);
    }
  }
  return names.size === files.length && folders.isDisjointFrom(names);
}

export const artifactRecordSchema = z.strictObject({
  /** No stage reads artifacts of former types, so no other code need know of these types. */
  type: z.enum([...ARTIFACT_TYPES, ...FORMER_ARTIFACT_TYPES]) as unknown as z.ZodType<ArtifactType>,
  /** SHA-256 of the canonical file list: the identity of the content. */
  digest: sha256Schema,
  files: z.array(fileEntrySchema).refine(fitTogether, { error: "names that one folder can hold" }),
});

const portSchema = z.string().regex(PORT_PATTERN);

/** The ingredients of a resolved key, kept in clear so that a later change can be explained value by value. */
const ingredientsSchema = z.strictObject({
  kind: z.string(),
  version: z.string(),
  seed: z.int().nullable(),
  params: z.record(z.string(), z.unknown()),
  externals: z.record(z.string(), z.string()),
  inputs: z.record(portSchema, z.array(sha256Schema)),
});

/** The record that makes a result exist. It is written last. */
export const resultManifestSchema = z.strictObject({
  format: z.literal(1),
  resolvedKey: sha256Schema,
  recipeKey: sha256Schema,
  identityKey: sha256Schema,
  localKey: sha256Schema,
  extent: z.int().nullable(),
  ingredients: ingredientsSchema,
  outputs: z.record(portSchema, artifactRecordSchema),
  numerics: z.string().nullable(),
  runId: runIdSchema,
});

/** One line of the index: a hint that saves opening the manifest. The manifest stays the authority. */
export const indexLineSchema = z.strictObject({ recipeKey: sha256Schema, manifest: resultManifestSchema });

/** In a shared cache: the result of a recipe, so that a machine without any result can ask before anything runs. */
export const recipePointerSchema = z.strictObject({ recipeKey: sha256Schema, resolvedKey: sha256Schema });

export const progressManifestSchema = z.strictObject({
  format: z.literal(1),
  step: z.int().min(0),
  files: z.array(fileEntrySchema),
});

/** The content of the user's view of one stage, to see at a glance if it is still the same. */
export const viewRecordSchema = z.strictObject({
  stage: z.string(),
  resolvedKey: sha256Schema,
  files: z.array(z.strictObject({
    path: relativePathSchema,
    size: z.int(),
    mtimeMs: z.number(),
    /** Unlike `mtimeMs`, this time cannot be set back. */
    ctimeMs: z.number().optional(),
    sha256: sha256Schema,
  })),
});

/** Up to a century, in milliseconds: nothing takes longer, and sums of larger values might not be finite. */
const durationSchema = z.number().min(0).max(3.2e12);

/** The time that a stage took, for forecasts of the next one like it. */
export const timingSchema = z.strictObject({
  pipeline: z.string(),
  stage: z.string(),
  kind: z.string(),
  numerics: z.string().nullable(),
  /**
   * Processor and number of its threads. Times of a store that was carried to another machine say nothing about that
   * machine.
   */
  machine: z.string().nullable().default(null),
  /** Arithmetic of the whole stage, in GFLOP; a run that continued at `fromStep` did only the rest of it. */
  workGflop: z.number().min(0).nullable(),
  /**
   * The sizes that decide the pace of this work, and the `likeness` that stages share which take equally long; see
   * `Stage`.
   */
  workShape: z.array(z.number()).readonly().nullable().default(null),
  likeness: z.string().nullable().default(null),
  extent: z.int().min(0).nullable().default(null),
  fromStep: z.int().min(0).nullable().default(null),
  /** The part of the duration that does not grow with the work, if reports of progress tell. */
  overheadMs: durationSchema.nullable().default(null),
  durationMs: durationSchema,
  /** True for a probe: a little of the stage's work, done to make a forecast. */
  probe: z.boolean().default(false),
}).refine(({ overheadMs, durationMs }) => (overheadMs ?? 0) <= durationMs, { error: "a part of the duration" });

/**
 * A summary of a figure of a stage, such as its loss: its last and lowest value, and at how many units of progress it
 * was lowest.
 */
const figureSummarySchema = z.strictObject({ last: z.number(), lowest: z.number(), at: z.number() });

const figureSummariesSchema = z.record(z.string(), figureSummarySchema);

/** One line of the history of a stage's figures. */
export const figureRowSchema = z.strictObject({
  /** The number of units of progress that were done. */
  step: z.number(),
  at: z.string(),
  figures: z.record(z.string(), z.number()),
});

/** The progress of a running stage, for viewers in other processes. */
export const liveProgressSchema = z.strictObject({
  at: z.string(),
  done: z.number(),
  total: z.number(),
  unit: z.string(),
  /** Units per second; null until the stage has reported twice. */
  perSecond: z.number().nullable(),
  figures: figureSummariesSchema.default({}),
});

/** The files that a stage was made of, besides its ingredients, so that a later change can be reported file by file. */
const sourcesSchema = z.strictObject({
  /** Files and folders from outside, by param. */
  externals: z.record(z.string(), z.strictObject({ path: z.string(), sizeBytes: z.number(), digest: sha256Schema })),
  /** Modules of a custom stage: SHA-256 by place, versions of packages by name. */
  modules: z.record(z.string(), z.string()),
});

const stageRunSchema = z.strictObject({
  state: z.enum(["cached", "restored", "ran", "failed", "interrupted", "blocked"]),
  resolvedKey: sha256Schema.nullable(),
  /** When its work began, after all waiting. */
  startedAt: z.string().nullable(),
  durationMs: z.number(),
  /** Units of its progress per second, such as steps and images; empty if it reported none. */
  perSecond: z.record(z.string(), z.number()).default({}),
  figures: figureSummariesSchema.default({}),
  fromStep: z.int().nullable(),
  numerics: z.string().nullable(),
  /** The device that computed the stage, and why this one; null if nothing was computed, as for cached stages. */
  device: z.strictObject({ name: z.string(), reason: z.string() }).nullable().default(null),
  message: z.string().nullable(),
  /** Advice on a failure. */
  fix: z.string().exactOptional(),
  /** Only for stages whose code ran. */
  sources: sourcesSchema.optional(),
});

/** One `run`: the facts about host, clock and device that artifacts must not hold. */
export const runRecordSchema = z.strictObject({
  format: z.literal(1),
  runId: runIdSchema,
  pipeline: z.string().regex(ID_PATTERN),
  file: z.string(),
  question: z.string().exactOptional(),
  overrides: z.array(z.string()),
  status: z.enum(["running", "done", "failed", "interrupted"]),
  startedAt: z.string(),
  endedAt: z.string().nullable(),
  pid: z.int(),
  host: z.string(),
  versions: z.record(z.string(), z.string()),
  stages: z.record(z.string(), stageRunSchema),
  /** Shards of these stages, by the ids of their actions. */
  shards: z.record(z.string(), stageRunSchema).exactOptional(),
});

/** One line for each stage that started or ended, while the run is in progress. */
export const runNoteSchema = z.strictObject({
  stage: z.string(),
  /** True if `stage` names a shard. */
  shard: z.literal(true).exactOptional(),
  event: z.enum(["started", "finished"]),
  state: z.string(),
  at: z.string(),
  /** For a stage that ended: the entry that the run's own record, which is written last, will have. */
  record: stageRunSchema.omit({ sources: true }).exactOptional(),
});

/** The most stages of a run that are read: more than a pipeline may have. */
export const MAX_PLANNED = 50_000;

/** `plan.json`: the plan of a run, written when the run began. */
export const planRecordSchema = z.strictObject({
  format: z.literal(1),
  /** In dependency order. */
  stages: z.array(z.strictObject({
    id: z.string(),
    kind: z.string(),
    reads: z.array(z.string()),
    /** The ids under which its shards are recorded. */
    shards: z.array(z.string()).exactOptional(),
    state: z.string(),
    /** Resolved key of the result, if it was already there. */
    result: sha256Schema.nullable(),
    /** The params that decide its result, and where each value comes from, nearest first. */
    params: z.array(z.strictObject({ path: z.string(), value: z.unknown(), origin: z.array(z.string()) })),
    /** The sampler of its previews. */
    sampler: z.unknown().optional(),
  })).max(MAX_PLANNED),
});

/**
 * Everything that a run relies on, noted as the run goes: results by stage, and the progress that stages work on. `gc`
 * keeps these while the run is in progress, and afterwards as far as it is asked to.
 */
export const usedLineSchema = z.strictObject({
  results: z.record(z.string(), sha256Schema).default({}),
  /** Results of shards, which nobody needs once those of their stage are joined. */
  shards: z.record(z.string(), z.strictObject({ stage: z.string(), result: sha256Schema })).default({}),
  progress: z.record(z.string(), sha256Schema).default({}),
});

const wordsSchema = z.string().max(4_000).regex(/^\P{C}*$/u);

/** The verdict of a device trial, kept in the user's cache. */
export const deviceVerdictSchema = z.strictObject({
  /** The device, its versions, driver and machine. */
  of: z.string(),
  /** Texts that are shown: no control characters. */
  trouble: z.strictObject({ reason: wordsSchema, fix: z.exactOptional(wordsSchema) }).nullable(),
});

/** A name for the results of one pipeline. */
export const tagRecordSchema = z.strictObject({
  format: z.literal(1),
  pipeline: z.string().regex(ID_PATTERN),
  /** The profiles and `--set` options that the pipeline was run with. */
  overrides: z.array(z.string()),
  /** Resolved keys by stage. */
  results: z.record(z.string(), sha256Schema),
});

const producedSchema = z.strictObject({
  /** Digests of the artifacts by port. */
  outputs: z.record(portSchema, sha256Schema),
  numerics: z.string().nullable(),
  runId: runIdSchema,
});

/** Two results of one key. */
export const differenceSchema = z.strictObject({
  resolvedKey: sha256Schema,
  pipeline: z.string(),
  stage: z.string(),
  /** `non-determinism`: one numerics gave both results, which is a fault of the stage; `device`: two numerics did. */
  cause: z.enum(["non-determinism", "device"]),
  first: producedSchema,
  second: producedSchema,
  /** The result that the key has stood for since. */
  kept: z.enum(["first", "second"]),
});

/**
 * One line for each result that somebody has kept although the code of its stage was edited since: it serves in place
 * of the result that the code would make now, in this store alone.
 */
export const keepSchema = z.strictObject({
  pipeline: z.string().regex(ID_PATTERN),
  stage: z.string(),
  /** The keys of the result that is not made, and the result that serves for it. */
  recipeKey: sha256Schema,
  resolvedKey: sha256Schema,
  result: sha256Schema,
  /** The edits: by name the digests then and now, or null where there is nothing. */
  edits: z.record(z.string(), z.tuple([z.string().nullable(), z.string().nullable()])),
  at: z.iso.datetime(),
  by: wordsSchema,
  /** True where somebody takes it back. */
  undone: z.boolean(),
});

export type Keep = z.output<typeof keepSchema>;
export type RunNote = z.output<typeof runNoteSchema>;
export type UsedLine = z.output<typeof usedLineSchema>;
export type TagRecord = z.output<typeof tagRecordSchema>;
export type Difference = z.output<typeof differenceSchema>;
export type { FileEntry } from "./types.ts";
export type ArtifactRecord = z.output<typeof artifactRecordSchema>;
export type Ingredients = z.output<typeof ingredientsSchema>;
export type ResultManifest = z.output<typeof resultManifestSchema>;
export type RecipePointer = z.output<typeof recipePointerSchema>;
export type ProgressManifest = z.output<typeof progressManifestSchema>;
export type ViewRecord = z.output<typeof viewRecordSchema>;
export type Timing = z.output<typeof timingSchema>;
export type FigureSummary = z.output<typeof figureSummarySchema>;
export type FigureRow = z.output<typeof figureRowSchema>;
export type LiveProgress = z.output<typeof liveProgressSchema>;
export type PlanRecord = z.output<typeof planRecordSchema>;
export type Sources = z.output<typeof sourcesSchema>;
export type RunRecord = z.output<typeof runRecordSchema>;
