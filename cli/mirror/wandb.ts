import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import { encodeWandbRecord, pngSize, WANDB_HEADER, WANDB_VERSION, wandbItems } from "noiseline/report";
import { type Figure, makeFolder, type Tracker } from "./mirror.ts";

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
  const append = async (...bytes: Uint8Array<ArrayBuffer>[]) => {
    const all = new Uint8Array(await new Blob(bytes).arrayBuffer());
    await Deno.writeFile(file, all, { append: true });
    offset += all.length;
  };
  const record = (kind: Message[0], message: Message[1]) =>
    append(...encodeWandbRecord(kind, message, ++number, offset));
  /** Steps of a stage are its own; W&B numbers rows, and charts them by the stage's steps. */
  const history = async (values: Readonly<Record<string, unknown>>, atMs: number) => {
    for (const [key, value] of Object.entries(values)) summary.set(key, value);
    const items = wandbItems({ ...values, _step: row, _timestamp: atMs / 1000 });
    await record("history", [...items, [2, [[1, row++]]]]);
  };
  const stages = new Set<string>();
  const define = async (stage: string) => {
    if (stages.has(stage)) return;
    stages.add(stage);
    await record("metric", [[2, `${stage}/*`], [4, `${stage}/step`]]);
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
    async figures(figures) {
      for (const [key, some] of Map.groupBy(figures, ({ name, step }) => `${stageOf(name)}/step ${step}`)) {
        const [{ name, step, atMs }] = some as [Figure];
        await define(stageOf(name));
        const values = some.map(({ name, value }) => [name, value]);
        await history({ ...Object.fromEntries(values), [key.replace(/ .*$/, "")]: step }, atMs);
      }
    },
    async file(name, bytes, step) {
      if (step === undefined) return await put(name, bytes);
      const stage = stageOf(name);
      await define(stage);
      const path = `media/images/${name.replace(/\.png$/, "")}_${row}.png`;
      await put(path, bytes);
      const sha256 = createHash("sha256").update(bytes).digest("hex");
      const image = { _type: "image-file", path, sha256, size: bytes.length, ...pngSize(bytes), format: "png" };
      await history({ [name.replace(/\.png$/, "")]: image, [`${stage}/step`]: step }, Date.now());
    },
    async end(status) {
      await record("summary", wandbItems(Object.fromEntries(summary)));
      await record("exit", [[1, status === "done" ? 0 : 1]]);
    },
  };
}

type Message = Parameters<typeof encodeWandbRecord>;

function stageOf(name: string): string {
  return name.slice(0, name.lastIndexOf("/"));
}
