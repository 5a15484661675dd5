import { join } from "node:path";
import { encodeEvents, EVENTS_FILE } from "noiseline/report";
import { makeFolder, type Tracker } from "./mirror.ts";

/**
 * Writes a run as a file of events for TensorBoard, `FOLDER/PIPELINE/RUN`, which grows while the run goes on. The page
 * and the params lie beside the events.
 */
export function tensorboardTracker(root: string): Tracker {
  let folder = "";
  const append = async (events: Parameters<typeof encodeEvents>[0], atMs: number) => {
    const bytes = encodeEvents(events, atMs / 1000);
    await Deno.writeFile(join(folder, EVENTS_FILE), bytes, { append: true });
  };
  return {
    async begin({ runId, pipeline, params }) {
      folder = join(root, pipeline, runId);
      await makeFolder(folder);
      await Deno.writeTextFile(join(folder, "params.json"), `${JSON.stringify(params, null, 2)}\n`);
    },
    async figures(rows) {
      const events = rows.flatMap(({ stage, step, figures }) =>
        Object.entries(figures).map(([name, value]) => ({ tag: `${stage}/${name}`, step, value }))
      );
      await append(events, rows[0]!.atMs);
    },
    preview: (stage, step, png) => append([{ tag: `${stage}/preview`, step, png }], Date.now()),
    page: (html) => Deno.writeFile(join(folder, "report.html"), html),
    end: () => Promise.resolve(),
  };
}
