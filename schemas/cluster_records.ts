import { z } from "zod";
import { clusterFileSchema } from "./cluster_file.ts";
import { ID_PATTERN } from "./pipeline_file.ts";
import { rightSchema } from "./permissions.ts";
import { fileEntrySchema, relativePathSchema, sha256Schema } from "./records.ts";

/** Files in their places relative to each other: code with its settings, or files that a stage reads from outside. */
const bundleSchema = z.strictObject({
  /** The file, or the folder, that the bundle is for. */
  entry: relativePathSchema,
  /** The digest of the list of all files, which lies in the cache as an object, as the files do. */
  sha256: sha256Schema,
});

/** The list of a bundle's files. */
export const bundleListSchema = z.array(fileEntrySchema);

/** One line of `stages.jsonl`: a resolved stage, for the job that computes it and for jobs that read it. */
export const stageLineSchema = z.strictObject({
  /**
   * The `Stage`, whatever fields it has, but with the number of its kind in the head as its kind. The head has the
   * digest of the line, and the keys that follow from it.
   */
  stage: z.looseObject({ id: z.string(), kind: z.int().min(0) }),
  /** Lines of the stages that this stage reads. */
  reads: z.array(z.int().min(0)),
  /** Digests of everything that the stage reads from outside, by name, as the keys have them. */
  externals: z.record(z.string(), z.string()),
  /** The files and folders among `externals`. */
  files: z.record(z.string(), bundleSchema),
});

/** The needs of a job. */
const jobNeedsSchema = z.strictObject({
  cpus: z.int().min(0),
  gpus: z.int().min(0),
  memoryMiB: z.int().min(0).optional(),
  /** The nodes of the job, if it has several, each of which has all this. */
  nodes: z.int().min(2).optional(),
  /** Time limit of one attempt. */
  minutes: z.int().min(1).optional(),
  partition: z.string().optional(),
  account: z.string().optional(),
  qos: z.string().optional(),
  /** Further options for the queue, as the user wrote them. */
  options: z.array(z.string()),
}).readonly();

/** One job, or one array of jobs. */
const partSchema = z.strictObject({
  /** Lines of its stages; exactly one if the part is not an array. */
  lines: z.array(z.int().min(0)).min(1),
  /** Numbers of the children, in the order of `lines`; null for a single job. */
  children: z.array(z.int().min(0)).nullable(),
  needs: jobNeedsSchema,
  /**
   * Parts that must have succeeded first: part `p3` as a whole, its child `p3_4`, or `p3_*`: for each child of this
   * part, the child of the same number. Jobs of earlier submissions are named by their ids: `8`, `8_4`, `8_*`.
   */
  after: z.array(z.string().regex(/^p?\d{1,10}(_(\d{1,10}|\*))?$/)),
});

/** The settings of the cluster's file that jobs use, and those that submit others. */
const settingsSchema = clusterFileSchema.pick({
  ...{ setup: true, deno: true, packages: true, scratch: true, arrayLimit: true, logs: true, restarts: true },
}).required({ deno: true, packages: true }).extend({
  /** The needs of helper jobs, which submit others. */
  helper: jobNeedsSchema,
});

/** `submission.json`: the head of a submission, written once, before any job. */
export const submissionSchema = z.strictObject({
  format: z.literal(1),
  id: z.string(),
  cluster: z.string(),
  user: z.string(),
  host: z.string(),
  at: z.string(),
  pipeline: z.strictObject({
    name: z.string().regex(ID_PATTERN),
    seed: z.int(),
    file: z.string(),
    overrides: z.array(z.string()),
    profiles: z.array(z.string()),
  }),
  /** Kinds without their functions, each with its user code and the rights that the submitter granted to that. */
  kinds: z.array(z.strictObject({
    kind: z.looseObject({
      name: z.string(),
      version: z.string(),
      userCode: z.array(z.unknown()).readonly().default([]),
    }),
    /** In the order of `userCode`, with rights in the form of `rightsOf`. */
    codes: z.array(z.strictObject({ code: bundleSchema, rights: z.array(rightSchema) })),
  })),
  stages: z.array(z.strictObject({
    /** The id of the stage, which names a folder; see `fileNameOf`. */
    id: z.string().refine((id) => relativePathSchema.safeParse(id).success),
    recipeKey: sha256Schema,
    /** The place of its line in `stages.jsonl`, in bytes, and the digest of the line. */
    at: z.int().min(0),
    length: z.int().min(1),
    sha256: sha256Schema,
  })),
  parts: z.array(partSchema),
  settings: settingsSchema,
  versions: z.record(z.string(), z.string()),
});

/** One line of `jobs-*.jsonl`: a part that was queued. */
export const jobLineSchema = z.strictObject({
  part: z.int().min(0),
  job: z.string(),
  /** For a job array: the numbers of its children. */
  children: z.array(z.int().min(0)).exactOptional(),
  at: z.string(),
});

/** How an attempt ended, one file each: `ends/<line>.<job>.<attempt>.json`. */
export const jobEndSchema = z.strictObject({
  line: z.int().min(0),
  job: z.string(),
  attempt: z.int().min(0),
  /** `hit`: the result was already there; `again`: the stage was saved and queued again. */
  state: z.enum(["hit", "ran", "failed", "again"]),
  resolvedKey: sha256Schema.nullable(),
  fromStep: z.int().nullable(),
  toStep: z.int().nullable(),
  message: z.string().nullable(),
  fix: z.string().nullable(),
  node: z.string(),
  startedAt: z.string(),
  endedAt: z.string(),
});

/**
 * The start of an attempt: `ends/<line>.<job>.<attempt>.start`. An attempt that is killed at once leaves only this
 * file.
 */
export const jobStartSchema = z.strictObject({
  /** The step that its stage continues from; null until that is known. */
  fromStep: z.int().min(0).nullable(),
  /** The newest step that the attempt has saved in the cache so far. */
  toStep: z.int().min(0).exactOptional(),
});

export type JobNeeds = z.output<typeof jobNeedsSchema>;
export type Bundle = z.output<typeof bundleSchema>;
export type Submission = z.output<typeof submissionSchema>;
export type StageLine = z.output<typeof stageLineSchema>;
export type Part = z.output<typeof partSchema>;
export type JobEnd = z.output<typeof jobEndSchema>;
