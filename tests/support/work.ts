import { Session } from "node:inspector/promises";

/**
 * Counts the calls of all functions in this isolate, those of callbacks too, while some work is done. Unlike a time,
 * the count is the same on a busy machine. Work inside a single call, such as that of a regular expression, of `sort`
 * or of a loop that calls nothing, does not count.
 * @param named counts only the calls of functions with this name
 */
export async function countCalls(work: () => unknown, named?: string): Promise<number> {
  const session = new Session();
  session.connect();
  try {
    await session.post("Profiler.enable");
    await session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: false });
    await work();
    const { result } = await session.post("Profiler.takePreciseCoverage");
    await session.post("Profiler.stopPreciseCoverage");
    const functions = result.flatMap((script) => script.functions);
    return functions.filter(({ functionName }) => named === undefined || functionName === named)
      .reduce((sum, { ranges }) => sum + ranges[0]!.count, 0);
  } finally {
    session.disconnect();
  }
}

/**
 * Returns the exponent p of the calls that work of size n takes, if these grow like nᵖ.
 * @param sizes two sizes, the second the larger; a fixed cost of the work lowers the exponent, so both should be large
 *   enough for the work's own calls to prevail
 */
export async function growthOf(
  work: (size: number) => unknown,
  [small, large]: readonly [number, number],
): Promise<number> {
  // The first call of all also loads modules and fills caches.
  await work(small);
  const [few, many] = [await countCalls(() => work(small)), await countCalls(() => work(large))];
  return Math.log(many / few) / Math.log(large / small);
}
