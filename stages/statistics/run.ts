import { openFeatures } from "../../artifacts/features.ts";
import { checked } from "../../artifacts/record.ts";
import { momentsOf, writeStatistics } from "../../artifacts/statistics.ts";
import type { ContextOf, RunOf, StageEnd } from "../../engine/contract/stage.ts";
import { chunksOf, statisticsOf } from "../../science/metrics/statistics.ts";
import { range } from "../../science/metrics/vectors.ts";
import { openFloat64Products } from "../../science/tensor/onnx/products.ts";
import { yieldToMessages } from "../shared/macrotask.ts";
import { namedDownloads, readNamedFile } from "../shared/named_file.ts";
import { MAX_STATISTICS_BYTES, type statisticsKind } from "./kind.ts";

type Context = ContextOf<typeof statisticsKind>;

export default (async (context) => {
  const { params, inputs } = context;
  if (params.path !== undefined || params.url !== undefined) return await fromFile(context);
  if (inputs.features === undefined) {
    const fix = "add features: <a features stage> under inputs, or path: <a file of mu and sigma>";
    return { status: "failed", message: "no features were given", fix };
  }
  return await fromFeatures(context, inputs.features);
}) satisfies RunOf<typeof statisticsKind>;

async function fromFeatures(
  { params, outputs, stop, report }: Context,
  input: NonNullable<Context["inputs"]["features"]>,
): Promise<StageEnd | undefined> {
  using features = await openFeatures(input);
  const { vectors, info } = features;
  if (vectors.count < 2) return { status: "failed", message: "a covariance needs at least two images: got 1" };
  await using products = openFloat64Products(params);
  let done = 0;
  const chunks = async function* () {
    for await (const rows of chunksOf(vectors, range(0, vectors.count))) {
      if (stop.aborted) return;
      yield rows;
      done += rows.length / vectors.dimension;
      report({ done, total: vectors.count, unit: "image" });
      await yieldToMessages();
    }
  };
  const statistics = await statisticsOf(chunks(), vectors.dimension, products);
  if (done < vectors.count) return { status: "interrupted", step: 0 };
  const { extractor, count, images } = info;
  await writeStatistics(outputs.statistics, { info: { extractor, count, images }, statistics });
  return undefined;
}

async function fromFile(context: Context): Promise<StageEnd | undefined> {
  const { params, outputs } = context;
  const { extractor, resize, count } = params;
  const [file] = namedDownloads(params, MAX_STATISTICS_BYTES);
  const got = await readNamedFile(context, file, MAX_STATISTICS_BYTES);
  if ("status" in got) return got;
  const statistics = await checked(params.path ?? params.url!, () => momentsOf(got.bytes));
  const preprocessing = { file: "given", ...(resize === undefined ? {} : { resize }) };
  const made = { name: extractor!, sha256: null, dimension: statistics.mean.length, preprocessing };
  const info = { extractor: made, count: count!, images: null };
  await writeStatistics(outputs.statistics, { info, statistics });
  return undefined;
}
