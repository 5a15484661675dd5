import type { StageContext } from "../../../engine/contract/stage.ts";

/** Writes the content that it read, so that any wrong byte shows in all later stages; and one file in a folder. */
export default async function run({ params, inputs, outputs, note }: StageContext): Promise<void> {
  const { text, file } = params as { text: string; file?: string };
  const parts = [text];
  if (file !== undefined) parts.push(await Deno.readTextFile(file));
  for (const input of [inputs["from"] ?? []].flat()) {
    for (const { path } of input.files) parts.push(await input.readText(path));
  }
  note(`joined ${parts.length} parts`);
  await outputs["out"]!.write("text.txt", `${parts.join("\n")}\n`);
  await outputs["out"]!.write("deep/er/count.txt", `${parts.length} parts of ${text}\n`);
}
