/**
 * `deno task test:explore [--from SEED] [--seeds COUNT] [--runs COUNT] [FILE…]`: runs the randomised tests with other
 * seeds than those of every other run, by default the tests of the histories of a pipeline and of code. A seed that
 * fails is printed, and becomes a case of its test.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const { values: { from, seeds, runs }, positionals } = parseArgs({
  options: {
    from: { type: "string", default: "1" },
    seeds: { type: "string", default: "10" },
    runs: { type: "string" },
  },
  allowPositionals: true,
});
const HISTORIES = ["faults", "unit/engine/run"].map((folder) =>
  fileURLToPath(new URL(`${folder}/plan_equals_run_test.ts`, import.meta.url))
);
const count = (name: string, text: string) => {
  const number = Number(text);
  if (Number.isSafeInteger(number) && number > 0) return number;
  throw new Error(`--${name} is a positive whole number, not ${text}`);
};

const [first, many] = [count("from", from), count("seeds", seeds)];
const env = runs === undefined ? {} : { NOISELINE_TEST_RUNS: String(count("runs", runs)) };
const failed: number[] = [];
for (let seed = first; seed < first + many; seed++) {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", "--parallel", "--quiet", "--no-check", ...(positionals.length > 0 ? positionals : HISTORIES)],
    env: { ...env, NOISELINE_SEED: String(seed), NO_COLOR: "1" },
  }).output();
  if (!success) {
    failed.push(seed);
    await Deno.stdout.write(stdout);
    await Deno.stderr.write(stderr);
  }
  // deno-lint-ignore no-console
  console.log(
    `seed ${seed}: ${success ? "passed" : "failed"} (${seed - first + 1} of ${many}, ${failed.length} failed)`,
  );
}
// deno-lint-ignore no-console
console.log(failed.length === 0 ? `no seed failed` : `failed: NOISELINE_SEED=${failed.join(", ")}`);
Deno.exit(failed.length === 0 ? 0 : 1);
