import { basename, join } from "node:path";
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
    async figures(figures) {
      const events = figures.map(({ name, step, value }) => ({ tag: name, step, value }));
      await append(events, figures[0]!.atMs);
    },
    async file(name, bytes, step) {
      if (step === undefined) await Deno.writeFile(join(folder, basename(name)), bytes);
      else await append([{ tag: name.replace(/\.png$/, ""), step, png: bytes }], Date.now());
    },
    end: () => Promise.resolve(),
  };
}
