import { assert, assertEquals } from "@std/assert";
import { digestPython, pythonTokens } from "../../../engine/keys/python_syntax.ts";
import { sha256Of } from "../../../engine/store/reading.ts";
import { NO_PYTHON } from "../../support/commands.ts";
import { numRuns, seeds } from "../../support/seeds.ts";
import { ROOT } from "../../docs/blocks.ts";

/** A file of the corpus: the texts, each with the number of its syntax tree, the first as it is; see the script. */
interface Variants {
  readonly path: string;
  readonly tokens: readonly unknown[] | null;
  readonly texts: readonly (readonly [text: string, tree: number])[];
}

/** The digest by which a file counts. */
function countedBy(text: string): string {
  const bytes = new TextEncoder().encode(text);
  return digestPython(bytes)?.digest ?? sha256Of(bytes);
}

async function python(...args: readonly string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command("python3", { args: ["-W", "ignore", ...args] }).output();
  assert(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

for (const seed of seeds(1, 2)) {
  Deno.test({
    name: `digests of Python's library say what its syntax trees say, seed ${seed}` +
      (NO_PYTHON === undefined ? "" : ` (skipped: ${NO_PYTHON})`),
    ignore: NO_PYTHON !== undefined,
    fn: async () => {
      const library = (await python("-c", "import sysconfig; print(sysconfig.get_path('stdlib'))")).trim();
      const script = `${ROOT}/tests/support/python_variants.py`;
      const lines = await python(script, String(seed), String(numRuns(60)), library);
      let [files, relaid, changed] = [0, 0, 0];
      for (const line of lines.trimEnd().split("\n")) {
        const { path, tokens, texts }: Variants = JSON.parse(line);
        const original = texts[0]![0];
        if (digestPython(new TextEncoder().encode(original)) === undefined) continue;
        files++;
        const trees = new Map<string, number>();
        for (const [text, tree] of texts) {
          const digest = countedBy(text);
          // Another tree has another digest.
          assertEquals(trees.getOrInsert(digest, tree), tree, `${path}: one digest for two trees\n${text}`);
          changed += Number(tree !== 0);
        }
        // Another layout has the same.
        for (const [text] of texts.slice(1, 4)) {
          assertEquals(countedBy(text), countedBy(original), `${path}: two digests for one tree\n${text}`);
          relaid += Number(text !== original);
        }
        const own = [...pythonTokens(original)];
        // At the end of a file Python ends the open blocks.
        if (tokens !== null) assertEquals(own, tokens.slice(0, tokens.findLastIndex((one) => one !== -1) + 1), path);
      }
      assert(files > 20 && relaid > 2 * files && changed > 3 * files, `${files} ${relaid} ${changed}`);
    },
  });
}
