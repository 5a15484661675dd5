import { z } from "zod";
import { fileEntrySchema, sha256Schema } from "./records.ts";

/** Files that a job lays out before its stage runs; their content lies in the cache as objects. */
const shippedSchema = z.strictObject({
  /** Path below the folder in which they are laid out; `""` where it is one file. */
  files: z.array(fileEntrySchema),
  /** Whether it is a folder; a single file has one entry. */
  folder: z.boolean(),
});

/** Code of a custom stage: its modules and the settings above them, where they lay to each other. */
export const shippedCodeSchema = z.strictObject({ entry: z.string(), files: z.array(fileEntrySchema) });

/** One line of `stages.jsonl`: a resolved stage, for the job that computes it and for those that read it. */
export const stageLineSchema = z.strictObject({
  /** The `Stage`, with the number of its kind in the head for its kind. */
  stage: z.record(z.string(), z.unknown()),
  /** Lines of the stages that it reads. */
  reads: z.array(z.int().min(0)),
  /** What it reads from outside, by name of the external. */
  externals: z.record(z.string(), shippedSchema),
  /** What its kind says of packages and downloads, see `packPipeline`. */
  outside: z.tuple([z.unknown(), z.unknown()]).nullable(),
});

/** `JobNeeds` of a queue. */
const jobNeedsSchema = z.strictObject({
  cpus: z.int().min(0),
  gpus: z.int().min(0),
  memoryMiB: z.int().min(0).exactOptional(),
  minutes: z.int().min(1).exactOptional(),
  partition: z.string().exactOptional(),
  account: z.string().exactOptional(),
  qos: z.string().exactOptional(),
  options: z.array(z.string()),
});

/** One job, or one array of jobs. */
export const partSchema = z.strictObject({
  /** Lines of its stages; of one that is no array there is one. */
  lines: z.array(z.int().min(0)).min(1),
  /** Numbers of the children, in the order of `lines`; null where it is a single job. */
  children: z.array(z.int().min(0)).nullable(),
  needs: jobNeedsSchema,
  /** Parts that must have ended well: as a whole, or one child of an array. */
  after: z.array(z.union([z.int().min(0), z.tuple([z.int().min(0), z.int().min(0)])])),
  /** Parts of which child i must have ended well for child i of this one. */
  afterChild: z.array(z.int().min(0)),
  /** Jobs of earlier submissions that make what it reads: `8`, child `8_3`, or for child i of this one its like: `8_*`. */
  jobs: z.array(z.string()),
});

/** `submission.json`: what was submitted, written once, before any job. */
export const submissionSchema = z.strictObject({
  format: z.literal(1),
  id: z.string(),
  cluster: z.string(),
  user: z.string(),
  host: z.string(),
  at: z.string(),
  pipeline: z.record(z.string(), z.unknown()),
  /** Kinds without their functions, see `packPipeline`; custom ones with their code. */
  kinds: z.array(z.strictObject({ kind: z.record(z.string(), z.unknown()), code: shippedCodeSchema.nullable() })),
  stages: z.array(z.strictObject({
    id: z.string(),
    recipeKey: sha256Schema,
    /** Where its line is in `stages.jsonl`, in bytes, and what it holds. */
    at: z.int().min(0),
    length: z.int().min(1),
    sha256: sha256Schema,
  })),
  parts: z.array(partSchema),
  /** Rights of custom stages that the submitter granted, by absolute path of the stage's file as it was. */
  grants: z.record(z.string(), z.array(z.string())),
  versions: z.record(z.string(), z.string()),
});

/** One line of `jobs-*.jsonl`: a part that was queued. */
export const jobLineSchema = z.strictObject({ part: z.int().min(0), job: z.string(), at: z.string() });

/** How an attempt ended, one file each: `ends/<line>.<job>.<attempt>.json`. */
export const jobEndSchema = z.strictObject({
  line: z.int().min(0),
  job: z.string(),
  attempt: z.int().min(0),
  /** `hit`: the result was there; `again`: it was saved and queued again. */
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

/** Who computes a key now. */
export const claimSchema = z.strictObject({
  user: z.string(),
  job: z.string(),
  attempt: z.int().min(0),
  at: z.string(),
});

export type Submission = z.output<typeof submissionSchema>;
export type StageLine = z.output<typeof stageLineSchema>;
export type Part = z.output<typeof partSchema>;
export type JobLine = z.output<typeof jobLineSchema>;
export type JobEnd = z.output<typeof jobEndSchema>;
export type Claim = z.output<typeof claimSchema>;
