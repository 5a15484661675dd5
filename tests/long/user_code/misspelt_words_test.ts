import { assert } from "@std/assert";
import { join } from "node:path";
import { CLONE } from "../../support/cli_process.ts";
import { checkSigns, checkSlips } from "../../support/slips.ts";

/** Names in the file that nothing refers to. */
const FREE: Readonly<Record<string, readonly string[]>> = {
  "smoke": ["smoke", "evaluate", "score"],
  "digits": ["digits", "evaluate", "score", "neighbours", "demo", "Digits"],
  "emoji": ["emoji", "evaluate", "score", "neighbours", "demo", "Emoji", "sample-guided"],
  "ablation-objectives": [
    ...["ablation-objectives", "evaluate", "score"],
    ...["mu-bound-learned", "mu-bound", "mu-unweighted", "eps-bound", "eps-simple", "x0-simple", "v-simple"],
  ],
};

for (const [name, free] of Object.entries(FREE)) {
  Deno.test(`slips in the words and signs of ${name}.yaml are told by name`, async () => {
    const folder = await Deno.makeTempDir({ prefix: "noiseline-test-" });
    try {
      const file = join(folder, `${name}.yaml`);
      await Deno.copyFile(join(CLONE, "pipelines", `${name}.yaml`), file);
      const { refused, suggested } = await checkSlips(file, { free: new Set(free), most: 4 });
      assert(suggested > 0.95 * refused, `${suggested} of ${refused}`);
      const signs = checkSigns(file);
      assert(signs.named > 0.85 * signs.refused, `${signs.named} of ${signs.refused}`);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}
