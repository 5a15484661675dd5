/**
 * Returns advice: changes of a stage's params that take less memory, to lower `batchSize` or to raise `microBatches`.
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
  const fits = Math.max(1, Math.floor(atOnce ?? now / 2));
  if (fits >= now) return narrower;
  const smaller = `batchSize: ${fits * (microBatches ?? 1)}`;
  if (microBatches === undefined) return [`set ${smaller}`, ...narrower];
  // A batch is only divided into parts of equal size.
  let parts = Math.ceil(batchSize / fits);
  while (parts < batchSize && batchSize % parts !== 0) parts++;
  return [`set microBatches: ${parts} (the same batch in smaller parts)`, smaller, ...narrower];
}
