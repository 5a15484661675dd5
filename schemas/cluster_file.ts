import { z } from "zod";
import { durationSchema, resourcesSchema } from "./pipeline_file.ts";

/** A word in an option of `sbatch`, which must not look like another option or end a line. */
const word = z.string().min(1).max(256).regex(/^[A-Za-z0-9][\w.,:@/+=-]*$/, {
  error: () => "a name of letters, digits and _ . , : @ / + = -",
});
const absolute = z.string().max(1024).regex(/^\/[^\p{C}]*$/u, { error: () => "an absolute path" });
const line = z.string().min(1).max(4096).regex(/^\P{C}*$/u, { error: () => "one line of shell" });

/** Options that noiseline sets for each job, which no file may set. */
const OWN_OPTIONS = "array chdir comment dependency error job-name kill-on-invalid-dep no-requeue open-mode output " +
  "parsable requeue signal test-only wait wrap";
/** Matches a name or any beginning of it: sbatch takes `--out` for `--output` (getopt_long(3)). */
const abbreviated = (name: string) => [...name].reduceRight((rest, letter) => `${letter}(?:${rest})?`);
const own = OWN_OPTIONS.split(" ").map(abbreviated).join("|");
const option = line.regex(new RegExp(`^--(?!(?:${own})(?:[=\\s]|$))[a-z]`), {
  error: () => "one option in full, such as --constraint=a100, and none that noiseline sets itself",
});

const cpu = z.int().min(1).max(1024).optional().describe("Processors of a job, and the threads that it computes with");

/** Settings for all stages, or for those of one kind. */
const jobSchema = {
  partition: word.optional().describe("Partition to queue in (default: the cluster's)"),
  account: word.optional().describe("Account to charge"),
  qos: word.optional().describe("Quality of service"),
  time: durationSchema.optional().describe("Time limit of a job whose stage has no timeout (default: the partition's)"),
  resources: resourcesSchema.omit({ nodes: true }).extend({ cpu }).optional().describe(
    "The resources of a stage that declares none; cpu also sets its threads",
  ),
  sbatch: z.array(option).max(32).optional().describe(
    "Further options for sbatch, such as --constraint=a100",
  ),
};

export const clusterFileSchema = z.strictObject({
  engine: z.literal("slurm").describe("The kind of cluster"),
  cache: absolute.describe("Shared cache: a folder that this machine and all nodes see at this path"),
  ...jobSchema,
  kinds: z.record(z.string(), z.strictObject(jobSchema)).default({}).describe(
    "The same for the stages of one kind, by its name",
  ),
  setup: z.array(line).max(64).default([]).describe(
    "Lines of shell before each job: modules, proxies. Slurm keeps them: source a file for what is secret",
  ),
  deno: absolute.optional().describe("Deno on the nodes (default: the one that runs this)"),
  packages: absolute.optional().describe("Deno's cache on the nodes, DENO_DIR (default: that of this machine)"),
  scratch: absolute.optional().describe("Local disk of the nodes (default: $TMPDIR there, else /tmp)"),
  arrayLimit: z.int().min(1).max(100_000).optional().describe("Children of one sweep that run at a time"),
  logs: absolute.optional().describe("Folder for the output of jobs, seen by all nodes (default: in the cache)"),
  restarts: z.int().min(1).max(1_000).default(5).describe(
    "Give a stage up that was started so often without getting further",
  ),
});

/** The content of `clusters/NAME.yaml`. */
export type ClusterFile = z.output<typeof clusterFileSchema>;
