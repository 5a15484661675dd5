import { assert, assertEquals } from "@std/assert";
import { isScalar, parseDocument, visit } from "yaml";
import { BUILTIN_KINDS } from "noiseline/engine";
import { type Diagnostic, formatDiagnostic } from "noiseline/core";
import { loadPipeline } from "../../engine/pipeline/load/load_pipeline.ts";
import { parseYaml } from "../../engine/pipeline/source/parse_yaml.ts";

/**
 * Returns typing errors in a word: letters swapped, left out, doubled and mistaken, near its start and near its end.
 */
export function slipsOf(word: string): string[] {
  const letters = [...word.matchAll(/[A-Za-z]/g)].map(({ index }) => index);
  const places = [...new Set([letters[1], letters.at(-2)])].filter((at) => at !== undefined);
  const made = places.flatMap((at) => {
    const [before, letter, next, after] = [word.slice(0, at), word[at]!, word[at + 1] ?? "", word.slice(at + 2)];
    const swapped = /[A-Za-z]/.test(next) ? [before + next + letter + after] : [];
    return [...swapped, before + next + after, before + letter + letter + next + after, `${before}q${next}${after}`];
  });
  return [...new Set(made)].filter((one) => one !== word);
}

/** A text in a pipeline file. */
interface Word {
  readonly start: number;
  readonly end: number;
  /** True for a name that other places refer to: a slip in it causes errors at those places. */
  readonly defines: boolean;
}

/** Returns the keys and texts of a pipeline file with two letters or more. */
function wordsIn(text: string): Word[] {
  const found: Word[] = [];
  visit(parseDocument(text), {
    Scalar(key, node, path) {
      if (typeof node.value !== "string" || !/[A-Za-z].*[A-Za-z]/.test(node.value)) return;
      const above = path.flatMap((one) => {
        const name = (one as { key?: unknown }).key;
        return isScalar(name) ? [String(name.value)] : [];
      });
      const own = key === "key" ? above.slice(0, -1) : above;
      // Ids of stages, vars, and axes with all of their values.
      const defines = own.includes("matrix") || key === "key" && /^(stages|vars)$/.test(own.join("."));
      found.push({ start: node.range![0], end: node.range![1], defines });
    },
  });
  return found;
}

/**
 * Names that nothing refers to: those of the pipeline, of stages that no other stage reads, of values of an axis, and
 * titles.
 */
type Free = ReadonlySet<string>;

/**
 * Mistypes each word of a pipeline file, one at a time, and checks the suggestions of the errors: each must suggest the
 * word, if it points at the slip, or nothing.
 * @param most number of slips of each word
 * @returns for words that define no name, how many slips were refused, and for how many of these the word was suggested
 */
export async function checkSlips(file: string, { free, most }: { readonly free: Free; readonly most: number }) {
  const text = await Deno.readTextFile(file);
  const copy = file.replace(/\.yaml$/, ".slip.yaml");
  let [refused, suggested, turn] = [0, 0, 0];
  try {
    for (const { start, end, defines } of wordsIn(text)) {
      const word = text.slice(start, end);
      const slips = slipsOf(word);
      const first = turn++;
      const chosen = slips.map((_, i) => slips[(first + i) % slips.length]!).slice(0, most);
      for (const slip of chosen) {
        const what = `${file}: ${word} as ${slip}`;
        await Deno.writeTextFile(copy, text.slice(0, start) + slip + text.slice(end));
        const loaded = await loadPipeline(copy, { kinds: BUILTIN_KINDS });
        if (loaded.ok) {
          assert(free.has(word), `${what} is taken`);
          continue;
        }
        const errors = loaded.diagnostics.filter(({ severity }) => severity === "error");
        const isSuggested = judge(errors, { word, slip, start, defines }, what);
        if (defines) continue;
        refused++;
        if (isSuggested) suggested++;
      }
    }
  } finally {
    await Deno.remove(copy);
  }
  return { refused, suggested };
}

/** @returns true if the word is suggested */
function judge(
  errors: readonly Diagnostic[],
  { word, slip, start, defines }: { word: string; slip: string } & Pick<Word, "start" | "defines">,
  what: string,
): boolean {
  const told = `${what}\n${errors.map((one) => formatDiagnostic(one)).join("\n")}`;
  let suggested = false;
  let here = 0;
  for (const { span, fix = "" } of errors) {
    const isHere = span !== undefined && span.start <= start + slip.length && span.end >= start;
    here += Number(isHere);
    const named = /^did you mean "(.*)"\?$|^rename ".*" to "(.*)"$/.exec(fix)?.slice(1).find(Boolean);
    if (named === undefined) continue;
    // If a name and a reference to it each occur once, either may be the slip.
    const fits = word.includes(named) || !isHere && defines && slip.includes(named);
    assert(fits, `"${named}" was not meant: ${told}`);
    suggested ||= word.includes(named);
  }
  assert(errors.length > 0 && (defines || here > 0), `nothing points at the slip: ${told}`);
  // Every place that uses vars or an axis reports its own error.
  if (!defines && !/^(vars|matrix)$/.test(word)) assertEquals(errors.length, 1, `one slip is one error: ${told}`);
  return suggested;
}

/**
 * Leaves out each punctuation mark of a file's YAML, one at a time.
 * @returns how many were refused, and for how many of these the mark is among those that the fix names
 */
export function checkSigns(file: string) {
  const text = Deno.readTextFileSync(file);
  assert(parseYaml({ name: file, text }).ok);
  let [refused, named] = [0, 0];
  for (const { 0: sign, index } of text.matchAll(/[,:{}[\]"](?!.*#)/g)) {
    if (/^#.*$/.test(text.slice(text.lastIndexOf("\n", index) + 1, index))) continue;
    const parsed = parseYaml({ name: file, text: text.slice(0, index) + text.slice(index + 1) });
    // For example `1 2` in place of `1, 2`, which is a valid text.
    if (parsed.ok) continue;
    refused++;
    const { fix = "" } = parsed.diagnostics[0]!;
    const signs = /^is a (.*) missing in or above this line\?$|^write the (.*) that closes it$/.exec(fix);
    if ((signs?.[1] ?? signs?.[2])?.includes(sign === '"' ? "quote" : sign)) named++;
  }
  return { refused, named };
}
