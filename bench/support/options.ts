import { parseArgs } from "node:util";
import { z } from "zod";
import { EXIT, printError, printLine } from "../../cli/io.ts";
import { suggestName } from "../../std/did_you_mean.ts";
import { measure } from "./measure.ts";

const GIVEN = z.string("wanted a value").regex(/^(?!--)/, { abort: true, error: "wanted a value" });

export const SWITCH = z.literal(true, "wanted no value").optional();

export const COUNT = GIVEN.regex(/^[1-9]\d{0,8}$/, "wanted a whole number from 1").transform(Number);

/** Parses a list of known names, separated by commas. */
export function listOf(known: readonly string[]) {
  const name = z.enum(known, { error: ({ input }) => suggestName(`${input}`, known) });
  return GIVEN.transform((text) => text.split(",")).pipe(z.array(name)).transform((names) => [...new Set(names)]);
}

/**
 * Returns a Python that can import the modules: the given one, whose failure is an error, or `python3`, whose failure
 * is only printed.
 */
export function pythonWith(modules: string, peer: string) {
  return GIVEN.optional().transform(async (given, { addIssue }) => {
    const program = given ?? "python3";
    const said = await measure({ program, args: ["-c", `import ${modules}`] }, ".").catch((error: Error) =>
      error.message
    );
    if (typeof said !== "string") return program;
    const why = said.trim().split("\n").at(-1)!;
    if (given === undefined) printLine(`skipped: ${peer}: ${why}`);
    else addIssue(`wanted a Python with ${modules}: ${why}`);
    return undefined;
  });
}

/**
 * Reads the options of a benchmark before anything runs. For `--help` it prints the first comment of the file `url` and
 * ends; for invalid options it prints a line for each and ends with exit code 2.
 */
export async function readOptions<S extends z.ZodRawShape>(url: string, shape: S, args = Deno.args) {
  if (args.includes("--help")) {
    const [comment] = /^[^]*?(?=\n \*\/)/.exec(Deno.readTextFileSync(new URL(url)))!;
    printLine(comment.replace(/^(\/\*\*\n| \* ?(@module)?)/gm, "").trimEnd());
    Deno.exit(EXIT.done);
  }
  const names = Object.keys(shape);
  const types = names.map((name) => [name, { type: shape[name] === SWITCH ? "boolean" : "string" }] as const);
  const { values, positionals } = parseArgs({ args, strict: false, options: Object.fromEntries(types) });
  const { data, error } = await z.strictObject(shape).safeParseAsync({ ...values }, { reportInput: true });
  const faults = positionals.map((word) => `got "${word}", which belongs to no option; remove it`);
  for (const issue of error?.issues ?? []) {
    if (issue.code === "unrecognized_keys") {
      const fixOf = (key: string) => suggestName(`--${key}`, names.map((name) => `--${name}`));
      faults.push(...issue.keys.map((key) => `--${key}: no such option; ${fixOf(key)}`));
    } else {
      const got = issue.input === true ? "nothing" : `"${issue.input}"`;
      faults.push(`--${String(issue.path[0])}: got ${got}; ${issue.message}`);
    }
  }
  for (const fault of faults) printError(`error: ${fault}`);
  if (faults.length > 0) Deno.exit(EXIT.invalid);
  return data!;
}
