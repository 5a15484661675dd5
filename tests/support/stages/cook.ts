import { defineStage, execution, externalFile } from "noiseline";
import { z } from "zod";

/** Writes its params and inputs, so that its output changes exactly when something that it reads changes. */
export default defineStage({
  summary: "Joins a text, a file, the seed and its inputs",
  params: z.strictObject({
    text: z.string().default(""),
    amount: z.number().min(0).default(1),
    data: externalFile(z.string().optional()),
    /** True to write the same bytes whatever the text is. */
    constant: z.boolean().default(false),
    threads: execution(z.int().default(1)),
  }),
  inputs: { from: { type: "files", description: "What to join", list: true, optional: true } },
  outputs: { out: { type: "files", description: "The joined text" } },
  seeded: true,
  async run({ params, seed, inputs, outputs, note }) {
    // deno-lint-ignore no-console
    console.log("cooked");
    const parts = [params.constant ? "constant" : `${params.text} ${params.amount} ${seed}`];
    if (params.data !== undefined) parts.push(await Deno.readTextFile(params.data));
    for (const input of inputs.from ?? []) parts.push(await input.readText("text.txt"));
    note(`joined ${parts.length} parts`);
    await outputs.out.write("text.txt", `${parts.join("\n")}\n`);
    await outputs.out.write("deep/er/count.txt", `${parts.length}\n`);
  },
});
