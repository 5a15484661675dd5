/**
 * Returns advice: changes of a stage's params that take less memory, beginning with one that takes about `by` times
 * less.
 */
export function lessMemory(params: Readonly<Record<string, unknown>>, by = 2): string[] {
  const { batchSize = 1, microBatches, model } = params as {
    readonly batchSize?: number;
    readonly microBatches?: number;
    readonly model?: { readonly channels?: number };
  };
  const narrower = typeof model?.channels === "number" ? [`model.channels below ${model.channels}`] : [];
  return [...divide(by, batchSize, microBatches), ...narrower];
}

/** Returns advice to lower `batchSize` or to raise `microBatches`: a batch is only divided into parts of equal size. */
function divide(by: number, batchSize: number, microBatches?: number): string[] {
  if (batchSize === 1) return [];
  const smaller = `batchSize: ${Math.max(1, Math.floor(batchSize / by))}`;
  if (microBatches === undefined) return [`set ${smaller}`];
  let parts = Math.min(batchSize, by * microBatches);
  while (parts < batchSize && batchSize % parts !== 0) parts++;
  const same = `microBatches: ${parts} (the same batch in smaller parts)`;
  return parts > microBatches && batchSize % parts === 0 ? [`set ${same}`, smaller] : [`set ${smaller}`];
}
