/**
 * Submits to a Slurm whose answers are scripted: programs with the names of its commands stand before the real ones on
 * the PATH of this process, in `bin` of the folder given as the argument. Reads cases from standard input and prints
 * the outcome of each.
 */
import { join } from "node:path";
import { SlurmQueue } from "../../../engine/cluster/slurm/slurm_queue.ts";
import { PaperLab } from "../../unit/engine/cluster/support/paper_lab.ts";

/** One answer of a command. Once the answers are used up, the command answers truthfully. */
export interface FakeAnswer {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number | "killed";
  /** Shell commands that run before the answer, such as `sleep 70`. */
  readonly before?: string;
  /** The number of bytes of the true answer that are printed before the fake one. */
  readonly truth?: number;
  /** True if `sbatch` queues the job despite the fake answer. */
  readonly takes?: boolean;
}

export interface FakeCase {
  readonly sbatch: readonly FakeAnswer[];
  readonly test: readonly FakeAnswer[];
  readonly squeue: readonly FakeAnswer[];
  readonly sinfo: readonly FakeAnswer[];
  readonly scontrol: readonly FakeAnswer[];
}

export interface FakeOutcome {
  /** Jobs that the queue finally accepted, by their purpose. */
  readonly taken: Readonly<Record<string, number>>;
  /** Refusals: the messages of stages recorded as failed, or of the errors that submitting returned. */
  readonly refused: readonly string[];
  readonly code: string;
}

const COMMON = `#!/bin/bash
d=$(dirname "$0")/..
format= comment= name= array= quiet= what=$(basename "$0")
for a; do case $a in
  --format=*) format=\${a#*=};; --comment=*) comment=\${a#*=};; --job-name=*) name=\${a#*=};; --array=*) array=\${a#*=};;
  --noheader) quiet=1;; --test-only) what=test;;
esac; done
fill() { local l=$format i; for ((i = 0; i < $#; i += 2)); do l=\${l//\${@:i+1:1}/\${@:i+2:1}}; done; printf '%s\\n' "$l"; }
heading() { [ -n "$quiet" ] || { local l=\${format//%[A-Za-z]/WORD}; printf '%s\\n' "$l"; }; }
take() {
  local id=$(($(wc -l < $d/jobs) + 1)) child
  printf '%s\\n' "$id \${array:--} $name $comment" >> $d/jobs
  echo $id
}
`;
const TRUTH: Readonly<Record<string, string>> = {
  sbatch: `truth() { if [ $what = sbatch ]; then take; fi; }`,
  squeue: `truth() {
  heading
  while read -r id array name comment; do
    children=N/A; [ $array = - ] || children=$(seq \${array%%-*} \${array##*-})
    for child in $children; do
      fill %F $id %K $child %T PENDING %r Priority %N '' %M 0:00 %j $name %k $comment %U $UID %i $id
    done
  done < $d/jobs
}`,
  sinfo: `truth() { heading; fill %P 'cpu*' %M OFF %l 1:00:00 %a up %D 1 %c 4 %m 16000 %G '(null)' %T idle %N n1; }`,
  scontrol: `truth() {
  echo "ClusterName = fake"; echo "MaxArraySize = 1001"; echo "MaxJobCount = 10000"; echo "SLURM_VERSION = 22.05.8"
}`,
};
const ANSWER = `
[ $what = sbatch -o $what = test ] && cat > /dev/null
n=$(cat $d/n.$what 2> /dev/null || echo 0); echo $((n + 1)) > $d/n.$what
[ -f $d/$what.$n ] && . $d/$what.$n
truth
`;

const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;

function shellOf({ stdout, stderr, code, before = "", truth, takes }: FakeAnswer): string {
  const end = code === "killed" ? "kill -9 $$" : `exit ${code}`;
  return [
    takes ? "take > /dev/null" : "",
    before,
    truth === undefined ? "" : `truth | head -c ${truth}`,
    `printf %s ${quoted(stdout)}`,
    `printf %s ${quoted(stderr)} >&2`,
    end,
  ].join("\n");
}

const PIPELINE = `name: demo
stages:
  a: { uses: source, with: { text: a } }
  each: { uses: mix, inputs: { one: a }, matrix: { text: [x, y] }, with: { text: "\${matrix.text}" } }
  all: { uses: mix, inputs: { from: each } }
`;

async function tryCase(one: FakeCase, folder: string): Promise<FakeOutcome> {
  for (const { name } of Deno.readDirSync(folder)) Deno.removeSync(join(folder, name), { recursive: true });
  Deno.mkdirSync(join(folder, "bin"));
  Deno.writeTextFileSync(join(folder, "jobs"), "");
  for (const [program, truth] of Object.entries(TRUTH)) {
    Deno.writeTextFileSync(join(folder, "bin", program), COMMON + truth + ANSWER, { mode: 0o755 });
  }
  for (const [what, answers] of Object.entries(one) as [string, readonly FakeAnswer[]][]) {
    answers.forEach((answer, n) => Deno.writeTextFileSync(join(folder, `${what}.${n}`), shellOf(answer)));
  }
  await using lab = await PaperLab.open();
  const made = await lab.submit(PIPELINE, { queue: new SlurmQueue() });
  const jobs = Deno.readTextFileSync(join(folder, "jobs")).split("\n").filter((line) => line !== "");
  const taken: Record<string, number> = Object.create(null);
  for (const job of jobs) {
    const comment = job.split(" ").at(-1)!.replace(/^[^:]*:/, "");
    taken[comment] = (taken[comment] ?? 0) + 1;
  }
  if (!made.ok) {
    const refused = made.diagnostics.filter(({ code }) => code !== "machine").map(({ message, got }) =>
      `${message} ${got ?? ""}`
    );
    return { taken, refused, code: made.diagnostics[0]!.code };
  }
  const standings = made.value.own!.queued.standings.values();
  const refused = [...standings].flatMap((one) => one.state === "failed" ? [one.message] : []);
  return { taken, refused, code: "" };
}

if (import.meta.main) {
  const cases: readonly FakeCase[] = await new Response(Deno.stdin.readable).json();
  const [folder] = Deno.args as [string];
  const outcomes: FakeOutcome[] = [];
  for (const one of cases) outcomes.push(await tryCase(one, folder));
  // deno-lint-ignore no-console
  console.log(JSON.stringify(outcomes));
}
