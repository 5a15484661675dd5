import { join } from "node:path";
import manifest from "../../deno.json" with { type: "json" };
import { COMMANDS } from "../../cli/command.ts";
import { ROOT, splitShell } from "./blocks.ts";

/** Lines of shell that are not tried, each with the reason. */
const NOT_TRIED: readonly { readonly pattern: RegExp; readonly reason: string }[] = [
  { pattern: /^git clone /, reason: "needs a network and a place of its own" },
  { pattern: /^cd /, reason: "the test stays where it is" },
  { pattern: /^deno install /, reason: "would change this machine" },
  { pattern: /^deno task tag --list/, reason: "reads no file, and there is no store" },
  { pattern: /^deno task compare (?!pipelines)/, reason: "names a tag or a run" },
  { pattern: /checkpoint\.path=/, reason: "reads a checkpoint of the reader's" },
  { pattern: /^deno task score /, reason: "needs sets of images: score_command_test.ts, a long test, has some" },
  { pattern: / --on lab\b/, reason: "needs a cluster: tests/cluster runs them on one" },
  { pattern: /^deno run -A tests\/cluster\/kills\.ts/, reason: "takes twenty minutes: kills_test.ts has ten tries" },
  { pattern: /^deno run -A tests\/browser\/pictures\.ts/, reason: "trains a network, and replaces pictures" },
  { pattern: /^deno test -A --no-check tests\/long\//, reason: "is a long test, run among these" },
  { pattern: /^deno run -A tests\/support\/measure_memory\.ts/, reason: "trains: memory_estimate_test.ts runs it" },
  { pattern: /^deno (add|run -A [\w-]+\.ts$)/, reason: "needs the registry: doors_test.ts has a stand-in" },
  { pattern: /^export /, reason: "sets a variable of the reader's shell" },
];

/** Options of `run` that `plan` does not have, or that name places of the reader; true if they take a value. */
const RUN_ONLY: Readonly<Record<string, boolean>> = {
  "--keep-going": false,
  "-k": false,
  "--replace": false,
  "--force-all": false,
  "--jobs": true,
  "-j": true,
  "--gpus": true,
  "--cache": true,
  "--cache-mode": true,
  "--mirror": true,
  "--open": false,
};

/** Commands that show results: a document's reader has some, but the test has none. */
const NEED_RESULTS = ["keep", "report", "compare", "metrics", "logs", "tag", "export"];

/** The outcome of reading a document's line: arguments for the command line, nothing to try, or a problem. */
export type Tried = { readonly args: readonly string[]; readonly needsResults?: true } | { readonly skip: string } | {
  readonly problem: string;
};

/**
 * Reads a `deno task …` line. `run` becomes `plan` with the same arguments: documents must be true, but need not train
 * networks.
 */
export function readCommand(line: string, store: string): Tried {
  const words = splitShell(line.replace(/^\$ /, ""));
  while (/^[A-Z_]+=/.test(words[0] ?? "")) words.shift();
  if (words.length === 0) return { skip: "a comment" };
  const excuse = NOT_TRIED.find(({ pattern }) => pattern.test(words.join(" ")));
  if (excuse !== undefined) return { skip: excuse.reason };
  const npx = ["npx", "--yes", "deno@2.9.6"].every((word, index) => words[index] === word);
  const [deno, task, name, ...rest] = npx ? ["deno", ...words.slice(3)] : words;
  if (deno !== "deno" || task !== "task" || name === undefined) {
    return { problem: "it is no deno task; if it cannot be tried, say why in tests/docs/commands.ts" };
  }
  if (!Object.hasOwn(manifest.tasks, name)) return { problem: `deno.json has no task "${name}"` };
  if (!Object.hasOwn(COMMANDS, name)) return { skip: "a task of this repository" };
  const end = rest.findIndex((word) => word === ">" || word === "|");
  const args = (end < 0 ? rest : rest.slice(0, end)).map((word) => /\.(yaml|ts)$/.test(word) ? join(ROOT, word) : word);
  const own = name === "run" ? ["plan", ...asPlan(args)] : [name, ...args];
  // `ui` runs until somebody ends it.
  // `new` writes to the store's folder: if an option is given twice, the last one counts.
  // Commands that need results say that nothing has run, after they have read the file and all options.
  if (own[0] === "ui") return { args: [...own, "--help"] };
  if (own[0] === "new") return { args: [...own, "--folder", `${store}-new`] };
  if (NEED_RESULTS.includes(own[0]!)) return { args: [...own, "--store", store], needsResults: true };
  const hasStore = ["plan", "why", "status", "runs", "verify", "gc"].includes(own[0]!);
  return { args: hasStore ? [...own, "--store", store] : own };
}

function asPlan(args: readonly string[]): string[] {
  const kept: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const word = args[i]!;
    if (Object.hasOwn(RUN_ONLY, word)) {
      if (RUN_ONLY[word] === true) i++;
      continue;
    }
    kept.push(word);
  }
  return kept;
}
