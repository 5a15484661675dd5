import { z } from "zod";
import { execution, extent, externalFile, legacy } from "./roles.ts";

/** Types of artifacts that a program of another language may write: their files are documented for other programs. */
const OUTPUTS = ["images", "samples", "checkpoint", "features", "metrics", "picture", "files"] as const;

/** No program can be given a NUL character, which ends each of its arguments and variables. */
const hasNoNul = (value: unknown) => typeof value !== "string" || !value.includes("\0");
const NO_NUL = { error: "text without a NUL character" };
const scalar = z.union([z.string(), z.number(), z.boolean()]).refine(hasNoNul, NO_NUL);
const NAME = { error: () => "a name of letters, digits and _, which begins with a letter" };
const nameSchema = z.string().regex(/^[A-Za-z][A-Za-z0-9_]{0,63}$/, NAME);

/** Variables by which noiseline speaks to the program, and those that are the same for every stage. */
const SET_BY_ENGINE = /^(NOISELINE_.*|CUDA_VISIBLE_DEVICES|PYTHONPATH|HOME|TMPDIR|TZ|LANG|LC_ALL|PET_(N|MASTER).*)$/;
const variableSchema = z.string().refine((name) => /^[A-Za-z_]\w{0,127}$/.test(name) && !SET_BY_ENGINE.test(name), {
  error: "the name of a variable that noiseline does not set itself",
});

/** The params of a stage that runs a program of the user's, as a pipeline writes them. */
export const commandSchema = z.strictObject({
  run: z.array(z.string().min(1).refine(hasNoNul, NO_NUL)).min(1).max(1000).describe(
    "The program and its arguments. ${params.NAME}, ${inputs.PORT} and ${outputs.PORT} are filled in when it starts",
  ),
  sources: z.array(z.string().min(1)).default([]).describe(
    "Files that the program is made of, or patterns such as model/**/*.py. Their content is in the key, and the " +
      "program runs in a folder with copies of them",
  ),
  lock: externalFile(z.string().min(1)).optional().describe(
    "File with the versions of packages, such as requirements.txt. Its content is in the key, and a Python must have " +
      "these versions",
  ),
  params: z.record(nameSchema, z.unknown().refine(hasNoNul, NO_NUL)).default({}).describe("Values for the program"),
  steps: extent(z.int().min(1)).optional().describe(
    "A param that says how far to go: a longer run continues a shorter one",
  ),
  outputs: z.record(nameSchema, z.enum(OUTPUTS)).refine((ports) => Object.keys(ports).length > 0, {
    error: "at least one output",
  }).describe("The type of each output that the program writes"),
  env: z.record(variableSchema, scalar).default({}).describe(
    "Variables of the program's environment, which has few others",
  ),
  tasks: z.int().min(1).max(65_536).optional().describe(
    "Processes that torchrun starts, on one node or spread evenly over the nodes of its job (resources: { nodes })",
  ),
  resumes: execution(z.boolean().default(false)).describe("The program saves its progress and goes on from there"),
  data: legacy(z.record(nameSchema, externalFile(z.string().min(1))).default({}), {}).describe(
    "Files, folders or patterns of data by name. Their content is in the key; the program reads them and nothing beside",
  ),
  sees: legacy(z.array(z.string().startsWith("/", { error: "an absolute path" })).default([]), []).describe(
    "Folders outside the project that the program sees, such as one of installed programs; not their content, but " +
      "these words are in the key",
  ),
  net: z.boolean().default(false).describe("The program may use the network; asks for the right net"),
});

/** The same params with everything found that they name. */
export const foundCommandSchema = commandSchema.extend({
  /** The sources by their names relative to the pipeline's folder. */
  sources: z.record(z.string(), externalFile(z.string())),
  /** Files and folders of data, and by their names in the fixed part of a pattern the files that match it. */
  data: legacy(
    z.record(z.string(), z.union([externalFile(z.string()), z.record(z.string(), externalFile(z.string()))])),
    {},
  ),
  /** The path of the program. */
  program: execution(z.string()),
  /** The version of an interpreter, or the digest of any other program. */
  interpreter: z.string(),
});

/** The version of an interpreter that the user has not granted and that no grant has let answer before. */
export const UNKNOWN_VERSION = "not known yet";

export type CommandParams = z.output<typeof commandSchema>;
export type FoundCommand = z.output<typeof foundCommandSchema>;

/** Matches what `run` may contain for the program's start. */
export const PLACEHOLDER = /\$\{(params|inputs|outputs|data)\.(\w+)\}/g;
