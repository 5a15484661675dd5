import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { ALL } from "../support/faults/tally.ts";
import { makeTempFolder } from "../unit/engine/support/temp.ts";
import type { FakeAnswer, FakeCase, FakeOutcome } from "../support/faults/slurm_answers.ts";

const SCRIPT = new URL("../support/faults/slurm_answers.ts", import.meta.url).pathname;
const NONE: FakeCase = { sbatch: [], test: [], squeue: [], sinfo: [], scontrol: [] };

async function outcomesOf(cases: readonly FakeCase[]): Promise<FakeOutcome[]> {
  await using folder = await makeTempFolder();
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", "--no-check", SCRIPT, folder.path],
    env: { PATH: `${folder.path}/bin:${Deno.env.get("PATH")}` },
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(JSON.stringify(cases)));
  await writer.close();
  const { success, stdout } = await child.output();
  assertEquals(success, true);
  return JSON.parse(new TextDecoder().decode(stdout));
}

/** Possible outputs of `sbatch` that are not exactly one complete line consisting of a job number. */
const OUTPUTS = [
  "",
  "12",
  "no job",
  "<html><body>502 Bad Gateway</body></html>\n",
  "41\n42\n",
  "job 7\n",
  "\x01\x02",
  "0\n",
];
/** Error messages that do not come from Slurm: those of wrappers, shells and loaders, or incomplete ones. */
const COMPLAINTS = [
  "",
  "Segmentation fault (core dumped)\n",
  "/usr/local/bin/sbatch: line 3: sbatch.real: command not found\n",
  "Traceback (most recent call last):\n  File \"/usr/bin/sbatch\", line 1\nKeyError: 'HOME'\n",
  "sbatch: error: Batch job submission failed: Requ",
  "sbatch: error while loading shared libraries: libslurm.so.38: cannot open shared object file",
  "/usr/local/bin/sbatch: 2: exec: sbatch.real: not found\n",
  "please use --account\n",
];
const CODES = [0, 1, 2, 127, 255, "killed"] as const;

const sbatch: fc.Arbitrary<FakeAnswer> = fc.record({
  stdout: fc.constantFrom(...OUTPUTS),
  stderr: fc.constantFrom(...COMPLAINTS),
  code: fc.constantFrom(...CODES),
  takes: fc.boolean(),
});
/** Answers to questions: nothing, garbage, an error, or the truth cut off somewhere. */
const table: fc.Arbitrary<FakeAnswer> = fc.oneof(
  fc.record({
    stdout: fc.constantFrom("", "\n", "slurm is down for maintenance\n", "8\n", "{}"),
    stderr: fc.constantFrom("", "connection lost\n"),
    code: fc.constantFrom(...CODES),
  }),
  fc.record({
    stdout: fc.constant(""),
    stderr: fc.constant(""),
    code: fc.constant(0),
    truth: fc.integer({ min: 0, max: 40 }),
  }),
);
const some = (answer: fc.Arbitrary<FakeAnswer>, most: number) => fc.array(answer, { maxLength: most });

/** A command that hangs for longer than the minute after which it is given up. */
const HANGS: FakeCase = {
  ...NONE,
  sbatch: [{ stdout: "", stderr: "", code: 0, before: "exec sleep 70", takes: true }],
};

Deno.test("whatever Slurm's commands answer, or if one hangs, nothing is queued twice and nothing is refused that Slurm did not refuse", async () => {
  const cases = fc.sample(
    fc.record({
      sbatch: some(sbatch, 3),
      test: some(sbatch.map((one) => ({ ...one, takes: false })), 2),
      squeue: some(table, 3),
      sinfo: some(table, 2),
      scontrol: some(table, 2),
    }),
    { numRuns: ALL ? 400 : 40, seed: 5 },
  );
  // The other cases run in the minute that the hanging one takes.
  const [outcomes, hung] = await Promise.all([outcomesOf(cases), outcomesOf([HANGS])]);
  assertEquals(hung, [{ taken: { "0": 1, "1": 1, "2": 1 }, refused: [], code: "" }]);
  const bad = outcomes.map(({ taken, refused }, index) => ({
    ...{ index, refused, case: JSON.stringify(cases[index]) },
    twice: Object.values(taken).filter((count) => count > 1),
  })).filter(({ twice, refused }) => twice.length + refused.length > 0);
  assertEquals(bad, []);
  // There are few bad answers in each case, so that in the end the whole graph is queued.
  const whole = outcomes.filter(({ taken }) => Object.keys(taken).length === 3).length;
  assertEquals([whole, outcomes.length], [cases.length, cases.length]);
});

Deno.test("an answer without an end is none, and the job is looked for", async () => {
  const endless: FakeAnswer = { stdout: "", stderr: "", code: 0, before: "yes 7 | head -c 70000000", takes: true };
  const outcomes = await outcomesOf([{ ...NONE, sbatch: [endless] }, {
    ...NONE,
    squeue: [{ ...endless, takes: false }],
  }]);
  for (const one of outcomes) assertEquals(one, { taken: { "0": 1, "1": 1, "2": 1 }, refused: [], code: "" });
});

Deno.test("what Slurm refuses is refused", async () => {
  const stderr =
    "sbatch: error: Batch job submission failed: Invalid account or account/partition combination specified\n";
  // A message of getopt, with the path by which the program was started.
  const option = "/usr/bin/sbatch: unrecognized option '--frob'\nTry \"sbatch --help\" for more information\n";
  const [first, second, tested] = await outcomesOf([
    { ...NONE, sbatch: [{ stdout: "", stderr, code: 1 }] },
    { ...NONE, sbatch: [{ stdout: "", stderr: option, code: 255 }] },
    { ...NONE, test: [{ stdout: "", stderr, code: 1 }, { stdout: "", stderr, code: 1 }] },
  ]);
  assertEquals(first!.refused, ["Invalid account or account/partition combination specified"]);
  assertEquals(second!.refused.length, 1);
  assertEquals([tested!.code, tested!.taken], ["invalid-value", {}]);
});
