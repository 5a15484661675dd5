/** Changes of a stage's params with which it takes less memory, as advice; first what takes about `by` times less. */
export function lessMemory(params: Readonly<Record<string, unknown>>, by = 2): string[] {
  const { batchSize = 1, microBatches, model } = params as {
    readonly batchSize?: number;
    readonly microBatches?: number;
    readonly model?: { readonly channels?: number };
  };
  const narrower = typeof model?.channels === "number" ? [`model.channels below ${model.channels}`] : [];
  return [...divide(by, batchSize, microBatches), ...narrower];
}

/** A batch is only taken apart into parts of one size. */
function divide(by: number, batchSize: number, microBatches?: number): string[] {
  if (batchSize === 1) return [];
  const smaller = `batchSize: ${Math.max(1, Math.floor(batchSize / by))}`;
  if (microBatches === undefined) return [`set ${smaller}`];
  let parts = Math.min(batchSize, by * microBatches);
  while (parts < batchSize && batchSize % parts !== 0) parts++;
  const same = `microBatches: ${parts} (the same batch in smaller parts)`;
  return parts > microBatches && batchSize % parts === 0 ? [`set ${same}`, smaller] : [`set ${smaller}`];
}
