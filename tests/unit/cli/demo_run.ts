import type { StageContext } from "../../../engine/contract/stage.ts";

/** Writes a stand-in for an interactive sampling page. */
export default async function run({ outputs }: StageContext): Promise<void> {
  await outputs["files"]!.write("demo.html", "<title>draws</title>");
}
