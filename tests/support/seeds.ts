/** Seeds of randomised tests: fixed, except where `deno task test:explore` looks further. */

/**
 * Returns the seeds of a test.
 * @param fixed seeds of every other run; each seed that has ever failed is among them
 */
export function seeds(...fixed: readonly number[]): readonly number[] {
  const given = Deno.env.get("NOISELINE_SEED");
  return given === undefined ? fixed : [Number(given)];
}

/**
 * Returns the number of cases that a test tries with one seed.
 * @param fixed the number in every other run
 */
export function numRuns(fixed: number): number {
  return Number(Deno.env.get("NOISELINE_TEST_RUNS") ?? fixed);
}
