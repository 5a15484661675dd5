import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import { encodeWandbRecord, pngSize, WANDB_HEADER, WANDB_VERSION, wandbItems } from "noiseline/report";
import { makeFolder, type Tracker } from "./mirror.ts";

/** The policy of files that are sent at the end. */
const AT_END = 1;

/**
 * Writes a run as the folder that W&B's client writes when it is offline; `wandb sync FOLDER` sends it.
 *
 * @param root folder for `wandb/offline-run-TIME-RUN`
 */
export function wandbTracker(root: string): Tracker {
  let [folder, file] = ["", ""];
  let [offset, number, row] = [0, 0, 0];
  const summary = new Map<string, unknown>();
  const stages = new Set<string>();
  const append = async (...bytes: Uint8Array<ArrayBuffer>[]) => {
    const all = new Uint8Array(await new Blob(bytes).arrayBuffer());
    await Deno.writeFile(file, all, { append: true });
    offset += all.length;
  };
  const record = (kind: Message[0], message: Message[1]) =>
    append(...encodeWandbRecord(kind, message, ++number, offset));
  /** Steps of a stage are its own; W&B numbers rows, and charts them by the stage's steps. */
  const addRow = async (stage: string, values: Readonly<Record<string, unknown>>, atMs: number) => {
    if (!stages.has(stage)) await record("metric", [[2, `${stage}/*`], [4, `${stage}/step`]]);
    stages.add(stage);
    const named = Object.entries(values).map(([name, value]) => [`${stage}/${name}`, value] as const);
    for (const [key, value] of named) summary.set(key, value);
    const items = wandbItems({ ...Object.fromEntries(named), _step: row, _timestamp: atMs / 1000 });
    await record("history", [...items, [2, [[1, row++]]]]);
  };
  const put = async (path: string, bytes: Uint8Array<ArrayBuffer>) => {
    const place = join(folder, "files", path);
    await Deno.mkdir(dirname(place), { recursive: true });
    await Deno.writeFile(place, bytes);
    await record("files", [[1, [[1, path], [2, AT_END]]]]);
  };
  return {
    async begin({ runId, pipeline, params, startedMs }) {
      const time = new Date(startedMs).toISOString().replaceAll(/[-:]/g, "").replace("T", "_").slice(0, 15);
      folder = join(root, "wandb", `offline-run-${time}-${runId}`);
      file = join(folder, `run-${runId}.wandb`);
      await makeFolder(join(folder, "files"));
      await append(WANDB_HEADER);
      await record("header", WANDB_VERSION);
      const began = [[1, Math.floor(startedMs / 1000)]] as const;
      await record("run", [[1, runId], [3, pipeline], [4, wandbItems(params)], [8, runId], [17, began]]);
    },
    async figures(rows) {
      for (const { stage, step, atMs, figures } of rows) await addRow(stage, { ...figures, step }, atMs);
    },
    async preview(stage, step, png) {
      const path = `media/images/${stage}/preview_${row}.png`;
      await put(path, png);
      const sha256 = createHash("sha256").update(png).digest("hex");
      const image = { _type: "image-file", path, sha256, size: png.length, ...pngSize(png), format: "png" };
      await addRow(stage, { preview: image, step }, Date.now());
    },
    page: (html) => put("report.html", html),
    async end(status) {
      await record("summary", wandbItems(Object.fromEntries(summary)));
      await record("exit", [[1, status === "done" ? 0 : 1]]);
    },
  };
}

type Message = Parameters<typeof encodeWandbRecord>;
