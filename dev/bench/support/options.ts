import { parseArgs } from "node:util";
import { z } from "zod";
import { EXIT, printError, printLine } from "../../../cli/io.ts";
import { suggestName } from "../../../std/did_you_mean.ts";
import { measure } from "./measure.ts";

export const SWITCH = z.boolean().optional();

export const COUNT = z.string().regex(/^[1-9]\d{0,8}$/, "wanted a whole number from 1").transform(Number);

/** Parses a list of known names, separated by commas. */
export function listOf(known: readonly string[]) {
  const name = z.enum(known, { error: ({ input }) => suggestName(`${input}`, known) });
  return z.string().transform((text) => text.split(",")).pipe(z.array(name)).transform((names) => [...new Set(names)]);
}

/**
 * Returns a Python that can import the modules: the given one, whose failure is an error, or `python3`, whose failure
 * is only printed.
 */
export function pythonWith(modules: string, peer: string) {
  return z.string().optional().transform(async (given, { addIssue }) => {
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
 * ends; for invalid options it says what is wrong and ends with exit code 2.
 */
export async function readOptions<S extends z.ZodRawShape>(url: string, shape: S, args = Deno.args) {
  if (args.includes("--help")) {
    const [comment] = /^[^]*?(?=\n \*\/)/.exec(Deno.readTextFileSync(new URL(url)))!;
    printLine(comment.replace(/^(\/\*\*\n| \* ?(@module)?)/gm, "").trimEnd());
    Deno.exit(EXIT.done);
  }
  const names = Object.keys(shape);
  const types = names.map((name) => [name, { type: shape[name] === SWITCH ? "boolean" : "string" }] as const);
  try {
    const { values } = parseArgs({ args, options: Object.fromEntries(types) });
    const { data, error } = await z.strictObject(shape).safeParseAsync({ ...values }, { reportInput: true });
    if (error === undefined) return data;
    for (const { path, input, message } of error.issues) {
      printError(`error: --${String(path[0])}: got "${input}"; ${message}`);
    }
  } catch (error) {
    printError(`error: ${(error as Error).message}`);
  }
  Deno.exit(EXIT.invalid);
}
