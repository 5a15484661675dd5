import { z } from "zod";
import type { Condition } from "./types.ts";

export type { Condition, PipelineFileInput, Resources } from "./types.ts";

/**
 * Ids become folder names and parts of references, so they use only what every file system and shell takes literally.
 */
export const ID_PATTERN = /^[a-z][a-z0-9_-]*$/;

/** Names of ports become names of folders, and of members of the stage's context. */
export const PORT_PATTERN = /^[A-Za-z][A-Za-z0-9_]{0,63}$/;

/** The id of a stage, or of a stage in a nested pipeline: `outer/inner`. */
export const STAGE_ID_PATTERN = /^[a-z][a-z0-9_-]*(?:\/[a-z][a-z0-9_-]*)*$/;

const idError = () => "a name of [a-z][a-z0-9_-]*, at most 64 characters";

const DURATION = /^(\d+(?:\.\d+)?)(s|m|h|d)$/;
/** Timers count milliseconds in 31 bits. */
const MAX_DURATION_MS = 24 * 86_400_000;
const UNIT_MS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

const TIME = {
  error: ({ input }: { readonly input?: unknown }) => {
    // Schedulers of clusters write hours in this form.
    const hours = /^0*([1-9]\d*):00:00$/.exec(String(input))?.[1];
    return hours === undefined ? "a time such as 90s, 10m, 2h or 1d" : `${hours}h`;
  },
};
const SIZE = { error: () => "a size above 0, such as 500MB or 8GiB" };

/** `90s`, `10m`, `2h`, `1d`: a positive time, in milliseconds after parsing. */
export const durationSchema = z.string(TIME).regex(DURATION, TIME)
  .transform((text) => {
    const [, amount, unit] = DURATION.exec(text)!;
    return Number(amount) * UNIT_MS[unit as keyof typeof UNIT_MS];
  }).refine((ms) => ms > 0 && ms <= MAX_DURATION_MS, { error: () => "a time above 0 and of at most 24d" });

export const resourcesSchema = z.strictObject({
  cpu: z.int().min(0).max(1024).optional().describe(
    "CPU slots that the stage takes while it runs, and the threads that it computes with",
  ),
  gpu: z.union([z.int().min(0).max(64), z.literal("required")], {
    error: () => "a number of GPUs from 0 to 64, or required",
  }).optional().describe("GPUs that the stage uses, if there are any; required: one, else an error"),
  nodes: z.int().min(1).max(1024).optional().describe(
    "Nodes of a cluster over which the tasks of a command are spread; each has the other resources. 1 elsewhere",
  ),
  memory: z.string(SIZE).regex(/^(?=.*[1-9])\d+(\.\d+)?(MB|GB|MiB|GiB)$/, SIZE).optional().describe(
    "Stop the stage if its process takes more memory; 500MB, 2GiB and the like",
  ),
}).describe("Slots that the stage takes while it runs; what the machine lacks is not waited for");

const reference = z.string().min(1).describe("stage, stage.port or stage@extent.port");

const matrixSchema = z.record(z.string(), z.unknown()).describe(
  "Axes and their values, as a list or as a map of names to values: one stage for each combination, with ${matrix.axis} " +
    "in scope. include adds combinations, exclude leaves some out",
);

const range = z.strictObject({
  from: z.number().describe("The least value"),
  to: z.number().describe("The largest value"),
  log: z.boolean().default(false).describe("Spread values evenly over orders of magnitude; from must be above 0"),
  integer: z.boolean().default(false).describe("Whole numbers only, from and to included"),
}).refine(({ from, to }) => from < to, { error: () => "a range whose from is below its to" })
  .refine(({ from, log }) => !log || from > 0, { error: () => "a range above 0, since it is log" })
  .refine(({ from, to, integer }) => !integer || (Number.isSafeInteger(from) && Number.isSafeInteger(to)), {
    error: () => "a range between whole numbers, since it is integer",
  });

/** The most trials of a search, and the most names with ranges: direction numbers are known for so many dimensions. */
const [MAX_TRIALS, MAX_RANGES] = [4_096, 10];

/** Returns the number of trials that a search has: those that it asks for, or each combination of its lists. */
export function countTrials(
  { over, trials }: { readonly over: Readonly<Record<string, unknown>>; readonly trials?: number | undefined },
): number {
  return trials ??
    Object.values(over).reduce<number>((all, one) => all * (Array.isArray(one) ? one.length : Infinity), 1);
}

export const searchSchema = z.strictObject({
  over: z.record(
    z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/),
    z.union([range, z.array(z.unknown()).min(1)], { error: () => "a list of values, or a range { from, to }" }),
  ).refine((over) => Object.keys(over).length > 0, { error: () => "at least one list or range" }).describe(
    "The values to search, by names for ${search.name} in with: lists, or ranges of numbers",
  ),
  trials: z.int().min(1).max(MAX_TRIALS).optional().describe(
    "The number of trials, spread evenly over the values; default, with lists only: each combination",
  ),
  seed: z.int().min(0).max(Number.MAX_SAFE_INTEGER).default(0).describe("Shifts the trials; of the search alone"),
  rungs: z.array(z.int().min(1)).min(1).refine((rungs) => rungs.every((one, i) => i === 0 || one > rungs[i - 1]!), {
    error: () => "numbers that rise",
  }).optional().describe(
    "Extents, rising, such as training steps: all trials reach the first, and the best of each rung go on to the next",
  ),
  eta: z.int().min(2).max(MAX_TRIALS).default(3).describe("One in so many trials of a rung goes on to the next"),
  score: z.string().regex(/^[^.\s]+\../, { error: () => "one stage and its metric, such as evaluate.L_simple" })
    .describe(
      "stage.metric: the number by which trials are compared, of a stage that depends on this one; or " +
        "stage.log.figure: the last value of a figure that a stage reports, or its lowest or highest one, as in " +
        "train.log.lowest loss",
    ),
  goal: z.enum(["lowest", "highest"]).optional().describe(
    "Which score is the best; default: what is known of the metric",
  ),
}).refine((search) => countTrials(search) <= MAX_TRIALS, {
  path: ["trials"],
  error: () => `a number of trials (lists alone need none, with at most ${MAX_TRIALS} combinations)`,
}).refine(({ over, trials }) => trials === undefined || Object.keys(over).length <= MAX_RANGES, {
  path: ["over"],
  error: () => `at most ${MAX_RANGES} names`,
});

const seedSchema = z.int().min(0).max(Number.MAX_SAFE_INTEGER);

const scalar = z.union([z.string(), z.number(), z.boolean()]);

/**
 * The condition under which a stage exists: known before anything runs, since values come from vars and the matrix
 * alone.
 */
export const conditionSchema: z.ZodType<Condition, Condition> = z.union([
  z.boolean(),
  z.strictObject({
    value: scalar.describe("The value to look for, such as ${vars.guided} or ${matrix.axis}"),
    in: z.array(scalar).min(1).describe("The values that keep the stage"),
  }),
  z.strictObject({
    get all() {
      return z.array(conditionSchema).describe("Conditions that must all hold");
    },
  }),
]);

export const stageSchema = z.strictObject({
  uses: z.string().min(1).describe("A built-in kind, ./file.ts with a stage, or ./file.yaml with a pipeline"),
  inputs: z.record(z.string(), z.union([reference, z.array(reference).min(1)])).default({}).describe(
    "Outputs to read, by input port",
  ),
  with: z.record(z.string(), z.unknown()).default({}).describe("Params of the kind"),
  resources: resourcesSchema.optional(),
  timeout: durationSchema.optional().describe("Stop the stage after this time; the progress that it saved is kept"),
  shards: z.int().min(1).max(1024).optional().describe(
    "Compute in so many parts, each a process with these resources; the result is the same to the byte",
  ),
  matrix: matrixSchema.optional(),
  search: searchSchema.optional().describe(
    "Try values for with, and compute the most promising further; the stage is then the best of them",
  ),
  seed: seedSchema.optional().describe("Root of the stage's randomness, in place of the pipeline's"),
  needs: z.union([z.string().min(1), z.array(z.string().min(1))]).optional().describe(
    "Stages to wait for without reading them",
  ),
  when: conditionSchema.optional().describe(
    "false leaves the stage out, and what reads it: true, false, or { value: ${…}, in: [values that keep it] }",
  ),
  retries: z.int().min(0).max(10).default(0).describe("Retries after a worker was killed; never after an error"),
});

const part = (name: string) => z.unknown().optional().describe(`Changes of the pipeline's ${name}; null removes`);
/** A profile cannot change the name of a pipeline, which is its identity. */
const profileSchema = z.strictObject({
  ...{ description: part("description"), seed: part("seed"), vars: part("vars"), stages: part("stages") },
  matrix: part("matrix"),
});

export const pipelineFileSchema = z.strictObject({
  name: z.string().regex(ID_PATTERN, { error: idError }).max(64, { error: idError }).describe("Folder of the outputs"),
  description: z.string().optional().describe("A text for readers of the file; it changes no key"),
  seed: seedSchema.default(0).describe("Root of all randomness of seeded kinds"),
  vars: z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), z.unknown()).default({}).describe(
    "Values for ${vars.name}",
  ),
  inputs: z.record(z.string().regex(ID_PATTERN), z.string()).optional().describe(
    "For a pipeline that is a stage of another: what it is given, as inputs.name, and what that is",
  ),
  outputs: z.record(z.string().regex(ID_PATTERN), reference).optional().describe(
    "For a pipeline that is a stage of another: what may be read of it",
  ),
  matrix: matrixSchema.optional(),
  extends: z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]).optional().describe(
    "Pipeline files that this one extends, relative to its folder. Maps are merged, null removes, all else replaces",
  ),
  profiles: z.record(z.string(), profileSchema).optional().describe(
    "Changes that --profile applies",
  ),
  stages: z.record(z.string(), stageSchema).describe("The stages by id, in any order"),
});

/** A pipeline file after its structure was checked; params are still those that the user wrote. */
type PipelineFile = z.output<typeof pipelineFileSchema>;
export type SearchEntry = z.output<typeof searchSchema>;
export type StageEntry = z.output<typeof stageSchema>;
