import type { StageContext } from "../../../contract/stage.ts";

/** Write what stands for a page that draws. */
export default async function run({ outputs }: StageContext): Promise<void> {
  await outputs["files"]!.write("demo.html", "<title>draws</title>");
}
