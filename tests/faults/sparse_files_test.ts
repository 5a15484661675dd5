import { assert, assertEquals, assertMatch } from "@std/assert";
import { hasProgram, onlyIf } from "../support/proc.ts";
import { Project } from "../support/project.ts";

/** A file of this size that holds nothing takes no place on disk, and a minute or more to read. */
const SIZE = 40 * 2 ** 30;
/** Deno's own modules and their caches take some 100 MB. */
const MOST_READ = 2 ** 30;

const COMMANDS = [
  ...["validate", "plan", "graph", "status", "show", "metrics", "report", "runs"].map((name) => [name, "p.yaml"]),
  ["why", "p.yaml", "a"],
  ["logs", "p.yaml", "a"],
  ["compare", "p.yaml", "p.yaml"],
];

const stage = (params: string) => `name: demo\nstages:\n  a: { uses: ${params} }\n`;

function sparse(name: string, text: string): Project {
  const project = new Project({ files: { "p.yaml": text, "code.sh": ":" } });
  Deno.writeFileSync(project.path(name), new Uint8Array(), { mode: 0o755 });
  Deno.truncateSync(project.path(name), SIZE);
  return project;
}

/** Prints, after a command has ended, what it and its children have read. */
const COUNTED = { prefix: ["sh", "-c", '"$@"; code=$?; cat /proc/$$/io >&2; exit $code', "sh"] };

const onLinux = (name: string, fn: () => Promise<void>) =>
  Deno.test({ ...onlyIf(Deno.build.os === "linux", "reads are counted in /proc", name), fn });

for (
  const [what, name, params, refusal] of [
    ["a program", "big", "command, with: { run: [./big], outputs: { out: files } }", undefined],
    ["a Python of the project", "python3", "command, with: { run: [./python3], outputs: { out: files } }", undefined],
    [
      "a source",
      "big",
      "command, with: { run: [sh, code.sh], sources: [code.sh, big], outputs: { out: files } }",
      /sources is not valid\n[^]*got: +"40\.0 GiB"\n +wanted: files of code.*\n +fix: +name large data/,
    ],
    [
      "a lock",
      "big",
      "command, with: { run: [sh, code.sh], lock: big, outputs: { out: files } }",
      /got: +"40\.0 GiB"\n/,
    ],
    ["a module", "big.ts", "./big.ts", /big\.ts: it is larger than 16 MiB/],
    [
      "a lock of packages",
      "deno.lock",
      "./code.ts",
      /deno\.lock, which decides .* is larger than 64 MiB\n[^]*fix: +make the file again/,
    ],
  ] as const
) {
  onLinux(`no command that only looks reads 40 GB of holes that are named as ${what}`, async () => {
    await using project = sparse(name, stage(params));
    project.write("code.ts", "export default {}");
    for (const args of COMMANDS) {
      const { code, stderr } = await project.cli(args, COUNTED);
      const [, read] = /^rchar: (\d+)$/m.exec(stderr) ?? [];
      assert(Number(read) < MOST_READ, `${args[0]} read ${read} bytes`);
      assert(Number(read) > 2 ** 20, `${args[0]}: reads are not counted`);
      if (args[0] === "runs") continue;
      assert(code < 3, stderr);
      if (refusal !== undefined) assertMatch(stderr, refusal, args[0]);
      else if (["validate", "plan"].includes(args[0]!)) assertEquals(code, 0, stderr);
    }
  });
}

const DATA = stage("dataset, with: { source: numpy, path: big.npy }");

onLinux("a command that hashes 40 GB of a dataset ends at the first Ctrl-C", async () => {
  await using project = sparse("big.npy", DATA);
  for (const args of [["validate", "p.yaml"], ["plan", "p.yaml"], ["run", "p.yaml"]]) {
    await using running = project.start(args);
    const read = () => Number(/^rchar: (\d+)$/m.exec(Deno.readTextFileSync(`/proc/${running.pid}/io`))![1]);
    while (read() < MOST_READ) await new Promise((resolve) => setTimeout(resolve, 50));
    running.signal("SIGINT");
    const { signal } = await running.outcome();
    assertEquals(signal, "SIGINT", args[0]);
  }
});

Deno.test({
  ...onlyIf(hasProgram("script"), "script, which gives a terminal, is not here", "on a terminal, hashing much is told"),
  async fn() {
    await using project = sparse("big.npy", DATA);
    Deno.truncateSync(project.path("big.npy"), 2 ** 31 + 5);
    const prefix = ["sh", "-c", 'script -qec "$(printf "%s " "$@")" /dev/null', "sh"];
    const { stdout } = await project.cli(["plan", "p.yaml"], { prefix });
    // Each line is replaced by the next: the cursor goes back to its start, and a code clears it.
    const lines = stdout.split("\r\x1b[K");
    assertMatch(lines[0]!, /^hashing, 1 GiB so far \(Ctrl-C stops\): /);
    assertMatch(lines[1]!, /^hashing, 2 GiB so far /);
    assert(lines.length > 2 && !lines.at(-1)!.includes("hashing"), stdout);
    const { stderr } = await project.cli(["plan", "p.yaml"]);
    assertEquals(stderr.includes("hashing"), false);
  },
});
