import { resolve } from "node:path";
import { isWithin } from "../store/write_roots.ts";
import { isMachineError } from "../store/io_errors.ts";
import { cutText } from "./lines.ts";
import { failed, type StageOutcome } from "./protocol.ts";

type Refusal = Readonly<Record<"message" | "fix", string>>;

/** The fix where nothing more specific is known. */
const UNDECLARED_FIX = "read only inputs, write only outputs, or declare the permission in the stage's definition";

/** Explains what a stage may not do, and what to do instead. @param inputs folders of the stage's inputs */
type Explain = (what: string | undefined, inputs: readonly string[]) => readonly [mayNot: string, fix: string];

/** Explanations of denied permissions, by Deno's name of the permission. */
const DENIED: Readonly<Record<string, Explain>> = {
  read: (what = "all files") => [
    `read ${what}: it is not one of its inputs`,
    /^\/(proc|sys)\//.test(what)
      ? "make it a param, as results must not depend on the machine; " +
        "to compute on a device, set device: true in its definition and use withDevice"
      : "declare it: as an input that another stage makes, " +
        "or as a param with externalFile(…), whose content is in the key",
  ],
  write: (what = "everywhere", inputs) =>
    inputs.some((folder) => isWithin(resolve(what), folder))
      ? [`write ${what}: inputs are read-only`, "write a changed copy with outputs.PORT.write(name, content)"]
      : [
        `write ${what}: it is outside its outputs`,
        "write with outputs.PORT.write(name, content), or below outputs.PORT.folder",
      ],
  net: (what) =>
    what?.startsWith("unix:") ? [`open sockets: ${what.slice(5)}`, "stages communicate only through their outputs"] : [
      `use the network: ${what ?? "all of it"}`,
      `declare permissions: { net: [${JSON.stringify(what ?? "host")}] } in its definition, ` +
      "or fetch with a stage of kind dataset",
    ],
  env: (what) => [
    `read ${what === undefined ? "all environment variables" : `the variable ${what}`}`,
    `declare permissions: { env: [${JSON.stringify(what ?? "NAME")}] } in its definition, ` +
    "which puts its value in the key, or make it a param",
  ],
  run: (what = "any") => [
    `start programs: ${what}`,
    "run it before the pipeline, and take what it made as a param with externalFile(…)",
  ],
  ffi: (what = "any") => [
    `load native code: ${what}`,
    'declare permissions: { native: ["package"] } in its definition, for an npm package that the toolkit knows',
  ],
  sys: (what = "any") => [
    `read facts about this machine: ${what}`,
    "make it a param; results must not depend on the machine",
  ],
  import: (what = "from the network") => [
    `import ${what}`,
    "import npm packages or files of your own, with literal names",
  ],
};

/** Matches Deno's messages about a module that it may not fetch. */
export const UNCACHED =
  /(?:Specifier|package) not found in cache: "([^"]+)"|lockfile is out of date|not found in cache|--cached-only is specified/;

/** Deno's other messages about what a process may not do, each with an explanation and a fix. */
const OTHERS: readonly (readonly [RegExp, (...what: string[]) => string, string | ((...what: string[]) => string)])[] =
  [
    [
      /symlink\w*\(\) requires unscoped/,
      () => "the stage may not make links: they may lead out of its output",
      "write plain files",
    ],
    [/Unstable API '([^']+)'/, (what) => `the stage may not use ${what}, which is unstable`, "leave it out"],
    [
      /Top-level await promise never resolved/,
      () => "the code awaits a promise that never settles",
      "await only promises that settle",
    ],
    [
      /Import "([^"]+)" not a dependency/,
      (what) => `the code imports "${what}", which cannot be resolved`,
      'name it under "imports" of the deno.json above it, or write the name out: "npm:package@version", "./file.ts"',
    ],
    [
      /requested module '([^']+)' does not provide an export named '([^']+)'(?: at (?:file:\/\/)?(\S+))?/,
      (from, name, place) =>
        `the code imports "${name}" from "${from}", which does not export it${place && ` (${place})`}`,
      (from, name) =>
        from !== "noiseline"
          ? "correct the name, or export it there"
          : name === "z"
          ? `write import { z } from ${'"zod"'}`
          : "docs/custom-stages.md says what noiseline exports",
    ],
    [
      /Failed loading (https?:\S+)/,
      (what) => `a package is not on this machine, and ${what} cannot be reached`,
      "check the network, then try again",
    ],
    [
      UNCACHED,
      (what) =>
        `the stage may not load ${what || "a module by a computed name"}: its modules must be known before it runs`,
      'write the name out: import … from "npm:package@version"; only then is it fetched and in the key',
    ],
  ];

/**
 * Turns Deno's message about a denied permission, or about a module that cannot be loaded and that the stage's code
 * does not name, into a message about the stage. Undefined if the text is about something else.
 * @param inputs folders of the stage's inputs, so that the message can distinguish inputs from other paths
 */
export function explainRefusal(text: string, inputs: readonly string[] = []): Refusal | undefined {
  const [, permission, quoted] = /Requires (\w+) access(?: to ("(?:[^"\\]|\\.)*"|[^,\s]+))?/.exec(text) ?? [];
  if (permission !== undefined) {
    const what = quoted?.replace(/^"(.*)"$/, "$1").replace(/^<(.*)>$/, "$1");
    // The stage itself may have written the text.
    if (!Object.hasOwn(DENIED, permission)) {
      const access = `${permission} access${what === undefined ? "" : ` to ${what}`}`;
      return { message: `the stage tried something it did not declare: ${access}`, fix: UNDECLARED_FIX };
    }
    const [mayNot, fix] = DENIED[permission]!(what, inputs);
    return { message: `the stage may not ${mayNot}`, fix };
  }
  for (const [pattern, message, fix] of OTHERS) {
    const found = pattern.exec(text);
    if (found === null) continue;
    const what = Array.from(found, (part = "") => part).slice(1);
    return { message: message(...what), fix: typeof fix === "string" ? fix : fix(...what) };
  }
  return undefined;
}

/** Returns the message of a thrown value, and the message with its frames as it is shown. */
function read(thrown: unknown): { readonly message: string; readonly stack: string } {
  if (typeof thrown === "string") return { message: thrown, stack: thrown };
  if (!(thrown instanceof Error)) {
    const message = `it threw something that is not an Error: ${cutText(Deno.inspect(thrown))}`;
    return { message, stack: message };
  }
  const message = String(thrown.message);
  const stack = String(thrown.stack ?? message);
  const [head, frames] = stack.includes(message)
    ? [stack.slice(0, stack.indexOf(message)), stack.slice(stack.indexOf(message) + message.length)]
    : ["", `\n${stack}`];
  return { message, stack: `${head}${cutText(message)}${cutText(frames)}` };
}

/**
 * Returns the outcome of a stage that threw. A denied permission, or something that the machine lacks, is not a bug in
 * the stage.
 *
 * @param output one of the folders that the stage writes to, for errors that do not name a path
 */
export function outcomeOfThrow(thrown: unknown, inputs: readonly string[], output?: string): StageOutcome {
  try {
    const { message, stack } = read(thrown);
    const said = cutText(message);
    const refused = explainRefusal(message, inputs);
    if (refused !== undefined) return failed(cutText(refused.message), cutText(refused.fix));
    if (thrown instanceof Deno.errors.NotCapable) return failed(`the stage may not do this: ${said}`, UNDECLARED_FIX);
    const lacks = thrown instanceof Error && isMachineError(thrown);
    return lacks
      ? failed(`cannot write: ${said}${said.includes("'") ? "" : `, in ${output}`}`, "free some space, then run again")
      : { status: "crashed", message: said, stack };
  } catch {
    // Anything can be thrown, and a value may throw again when it is looked at.
    const message = "it threw a value that cannot be shown";
    return { status: "crashed", message, stack: message };
  }
}
