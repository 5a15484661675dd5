/**
 * Returns advice: changes of a stage's params that take less memory.
 * @param atOnce number of images that may be computed at once; default: half as many as now
 */
export function lessMemory(params: Readonly<Record<string, unknown>>, atOnce?: number): string[] {
  const { batchSize = 1, microBatches, model } = params as {
    readonly batchSize?: number;
    readonly microBatches?: number;
    readonly model?: { readonly channels?: number };
  };
  const narrower = typeof model?.channels === "number" ? [`model.channels below ${model.channels}`] : [];
  const now = batchSize / (microBatches ?? 1);
  return [...divide(Math.max(1, Math.floor(atOnce ?? now / 2)), now, batchSize, microBatches), ...narrower];
}

/** Returns advice to lower `batchSize` or to raise `microBatches`: a batch is only divided into parts of equal size. */
function divide(atOnce: number, now: number, batchSize: number, microBatches?: number): string[] {
  if (atOnce >= now) return [];
  const smaller = `batchSize: ${atOnce * (microBatches ?? 1)}`;
  if (microBatches === undefined) return [`set ${smaller}`];
  let parts = Math.ceil(batchSize / atOnce);
  while (parts < batchSize && batchSize % parts !== 0) parts++;
  return [`set microBatches: ${parts} (the same batch in smaller parts)`, smaller];
}
