import { assert, assertEquals, assertMatch } from "@std/assert";
import { askedGrants, NO_BOX, NO_PYTHON, runsIn, withoutBox } from "../support/commands.ts";
import type { Json } from "../support/cli_process.ts";
import { Project } from "../support/project.ts";

interface Bad {
  readonly code: string;
  /** Further params of the stage, and further settings, as YAML. */
  readonly params?: string;
  readonly more?: string;
  readonly message: RegExp;
  readonly fix?: RegExp;
  /** The message where nothing contains the program; null for what then goes well. */
  readonly open?: RegExp | null;
}

const OUT = 'open(noiseline.outputs["out"] / "a.txt", "w").write("a")';

/** Things that a program should not do. */
const BAD: Readonly<Record<string, Bad>> = {
  writes_outside: {
    code: `open("@ROOT@/victim.txt", "w").write("changed")`,
    message: /^it wrote where it may not\n[^]*Read-only file system: '.*victim\.txt'$/,
    fix: /^write to the folders of its outputs/,
    // Documented: then it has the rights of the user.
    open: /^it ended without writing its output/,
  },
  never_ends: {
    code: "import time\ntime.sleep(600)",
    more: "timeout: 3s",
    message: /^it ran longer than its timeout of 3 s$/,
    fix: /^raise timeout of never_ends$/,
  },
  leaves_children: {
    code: `import subprocess\nsubprocess.Popen(["sleep", "600"], start_new_session=True, close_fds=True)\n${OUT}`,
    message: /^it ended while (sleep|processes that it started) still ran; they were killed$/,
    fix: /^let it wait/,
  },
  hides_children: {
    code: `import subprocess\nsubprocess.Popen(["sleep", "600"], env={})\n${OUT}`,
    message: /^it ended while (sleep|processes that it started) still ran; they were killed$/,
  },
  changes_inputs: {
    code: `import os\npath = noiseline.inputs["given"] / "a.txt"\ntry: os.chmod(path, 0o644)\nexcept OSError: pass
open(path, "w").write("changed")\n${OUT}`,
    message: /^it wrote where it may not\n[^]*a\.txt'$/,
    open: /^it changed its input given\/a\.txt$/,
  },
  dies: {
    code: "import os, signal\nprint('last words', flush=True)\nos.kill(os.getpid(), signal.SIGSEGV)",
    message: /^it exited with code 139, as a program does that SIGSEGV ends\nlast words/,
    open: /^its process ended by SIGSEGV\nlast words/,
    fix: /^see if all devices work/,
  },
  exits_as_if_ended: {
    code: "raise SystemExit(143)",
    message: /^it exited with code 143, as a program does that SIGTERM ends$/,
    open: /^it exited with code 143 and printed nothing$/,
    fix: /^if something else ended it|^let it print why/,
  },
  exits_silently: {
    code: "raise SystemExit(255)",
    message: /^it exited with code 255 and printed nothing$/,
    fix: /^let it print why, then run again$/,
  },
  exits: { code: "print('no data', flush=True)\nraise SystemExit(3)", message: /^it exited with code 3\nno data$/ },
  explains: { code: `noiseline.fail("no data", "give it some")`, message: /^no data$/, fix: /^give it some$/ },
  says_nothing: { code: "", message: /^it ended without writing its output "out"$/ },
  forgets_two: {
    code: `open(noiseline.outputs["b"] / "a.txt", "w").write("a")`,
    params: "outputs: { a: files, b: files, c: images }",
    message: /^it ended without writing its outputs "a", "c"$/,
    fix: /^write at least one file to the folder of each output$/,
  },
  other_type: {
    code: OUT,
    params: "outputs: { out: images }",
    message: /^output "out" is not of type images: images\.json: got only a\.txt, wanted a file of this name$/,
    fix: /^write the files that docs\/other-languages\.md describes for images \("Files of artifacts"\)$/,
  },
  half_type: {
    code: `open(noiseline.outputs["out"] / "metrics.json", "w").write('{"format": 1, "metrics": [{"name": "a"}]}')`,
    params: "outputs: { out: metrics }",
    message: /^output "out" is not of type metrics: .*value/,
  },
  links: {
    code: `import os\nos.symlink("/etc/passwd", noiseline.outputs["out"] / "a.txt")`,
    message: /^output "out" holds something that is not a plain file: a\.txt$/,
  },
  lacks_packages: {
    code: OUT,
    params: "lock: lock.txt",
    message: /python3\S* lacks no-such_package, and the lock names 1\.0$/,
    fix: /^install what the lock names into it$/,
  },
  undeclared: {
    code: "import helper",
    message: /^it reads helper\.py, which is not among its sources\n/,
    fix: /^add "helper\.py" to sources$/,
  },
  reads_data: {
    code: `open("victim.txt").read()`,
    message: /^it reads victim\.txt, which is not among its sources\n[^]*FileNotFoundError/,
    fix: /^add "victim\.txt" to sources$/,
  },
  shell_reads_data: {
    code: `import subprocess\nsubprocess.run(["cat", "victim.txt"], check=True)`,
    message: /^it reads victim\.txt, which is not among its sources\n/,
    fix: /^add "victim\.txt" to sources$/,
  },
  loads_elsewhere: {
    code: `import sys\nsys.path.append("@ROOT@")\nimport helper\n${OUT}`,
    message: /^it loaded .*\/helper\.py, which is not among its sources$/,
  },
  takes_memory: {
    // The memory is that of a child.
    code: `import subprocess, sys, time
subprocess.run([sys.executable, "-c", "import time\\nheld = b'x' * 300_000_000\\ntime.sleep(600)"])`,
    more: "resources: { memory: 200MB }",
    message: /^it took .* of memory, over its limit of 191 MiB; it was stopped$/,
  },
  uses_network: {
    code: `import socket\nsocket.create_connection(("127.0.0.1", 9), timeout=1)`,
    // The port of "discard", where nothing listens; without a network there is not even this machine.
    message: /^it exited with code 1\n[^]*(Network is unreachable|Connection refused)$/,
  },
};

function pipeline(project: Project): void {
  const stages = Object.entries(BAD).map(([name, { code, params = "", more = "" }]) => {
    project.write(`${name}.py`, `import noiseline\n${code.replaceAll("@ROOT@", project.root)}\n`);
    const outputs = params.includes("outputs") ? "" : ", outputs: { out: files }";
    const rest = `${params && `, ${params}`}${outputs}`;
    return `  ${name}:
    uses: command
    inputs: { given: given }
    with: { run: [python3, ${name}.py], sources: [${name}.py]${rest} }
${more && `    ${more}\n`}`;
  });
  project.write("given.py", `import noiseline\n${OUT}\n`);
  const given =
    "  given:\n    uses: command\n    with: { run: [python3, given.py], sources: [given.py], outputs: { out: files } }\n";
  project.write("p.yaml", `name: demo\nstages:\n${given}${stages.join("")}`);
  project.write("helper.py", "");
  project.write("lock.txt", "# a comment\nno-such_package[extra]==1.0 ; python_version > '3'\n");
  project.write("victim.txt", "untouched");
}

Deno.test("a program that prints without end neither fills the disk nor fails", async () => {
  await using project = new Project({});
  const script = 'yes 0123456789 | head -c 300000000; echo x > "$1/a.txt"';
  const written = `{ run: [sh, -c, '${script}', sh, "\${outputs.out}"], outputs: { out: files } }`;
  project.write("p.yaml", `name: demo\nstages:\n  a: { uses: command, with: ${written} }\n`);
  const { code, stderr } = await project.cli(["run", "p.yaml", "--grant", "a:run=sh"]);
  assertEquals(code, 0, stderr);
  const [log] = project.files(".noiseline/runs").filter((name) => name.endsWith("logs/a.log"));
  const { size } = Deno.statSync(project.path(".noiseline/runs", log!));
  // A log has room for 64 MiB, and for the line that says how much was left out.
  assert(size < (64 << 20) + 200, `${size} bytes`);
});

for (const contained of [true, false]) {
  const why = NO_PYTHON ?? (contained ? NO_BOX : undefined);
  const where = contained ? "in a box" : "without bubblewrap";
  Deno.test({
    name: `each wrong of a program is one clear error, ${where}${why === undefined ? "" : ` (skipped: ${why})`}`,
    ignore: why !== undefined,
    fn: async () => {
      await using project = new Project({});
      pipeline(project);
      const env = contained ? {} : withoutBox(project);
      const args = ["run", "p.yaml", "--keep-going", "--json", ...await askedGrants(project, "p.yaml")];
      const { code, events, stderr } = await project.cli(args, { env });
      assertEquals(code, 1, stderr);
      const ends = new Map<string, Json>(
        events.filter(({ type }) => type === "stage-finished").map((one) => [one.id, one]),
      );
      assertEquals(ends.get("given")?.state, "ran");
      for (const [name, { message, fix = /^/, open = message }] of Object.entries(BAD)) {
        const end = ends.get(name);
        assertEquals(end?.state, "failed", name);
        assertMatch(end.message, contained ? message : open!, name);
        if (contained) assertMatch(end.fix ?? "", fix, name);
      }
      assert(!runsIn(project), "a program outlives its stage");
      assertEquals(project.shown(), ["given"]);
      assertEquals(project.list(".noiseline/results").length, 1);
      if (contained) assertEquals(project.read("victim.txt"), "untouched");
      // A changed input is neither shown nor served.
      assertEquals(project.read("outputs/demo/given/a.txt"), "a");
      assertEquals((await project.cli(["verify", "p.yaml"])).code, 0);
    },
  });
}
