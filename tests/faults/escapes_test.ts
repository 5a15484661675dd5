import { assert, assertEquals } from "@std/assert";
import { box } from "../../engine/process/box.ts";
import { NO_BOX } from "../support/commands.ts";
import { isRoot } from "../support/proc.ts";
import { CLONE } from "../support/cli_process.ts";
import { Project } from "../support/project.ts";

const PYTHON = "/usr/bin/python3";
const NO_PYTHON = Array.from(Deno.readDirSync("/usr/bin")).some(({ name }) => name === "python3")
  ? undefined
  : `no ${PYTHON}`;
const [HOST, PROBE] = ["escape_host.py", "escapes.py"].map((name) => `tests/support/${name}`);

/** Ways out that are open to a program without a box on every machine, and may be tried there. */
const OPEN_WITHOUT = ["sockets", "abstract socket", "shared memory", "System V memory", "signal", "private files"];
/** One more, where the machine lets a process have keys. */
const KEY = "key";

/** Lays out a project, and beside it what a program should not reach; others may read everything, and write it. */
function surrounded(descriptors: readonly number[] = []): Project {
  const project = new Project();
  for (const [name, text] of [["home/.ssh/id", "secret"], ["p/outputs/victim", "shown"], ["p/deno.json", "{}"]]) {
    project.write(name!, text!);
  }
  project.write("p/.noiseline/victim", "a result");
  for (const name of ["out", "work/home", "work/tmp"]) {
    Deno.mkdirSync(project.path("p/.noiseline/tmp/run", name), { recursive: true });
  }
  project.copy(PROBE!, "p/escapes.py");
  const given = {
    descriptors,
    sockets: [project.path("outside.sock")],
    // Listens in the folder of the project, which the program sees, before its box is made.
    listening: [project.path("p/inside.sock")],
    private: [project.path("home/.ssh/id")],
    stored: [project.path("p/.noiseline/victim"), project.path("p/outputs/victim")],
    writable: [project.path("p/.noiseline/"), "/tmp", "/var/tmp"],
  };
  project.write("p/given.json", JSON.stringify(given));
  return project;
}

/** Returns what the probe found open, by its name of the way out. */
async function probe(
  project: Project,
  prefix: readonly string[],
  contained: readonly string[],
  names: readonly string[] = [],
): Promise<Record<string, unknown>> {
  const given = project.path("p/given.json");
  const [program, ...args] = [
    ...prefix,
    PYTHON,
    CLONE + HOST,
    given,
    ...contained,
    PYTHON,
    project.path("p/escapes.py"),
  ];
  const { success, stdout, stderr } = await new Deno.Command(program!, { args: [...args, given, ...names] }).output();
  assert(success, new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout));
}

function boxOf(project: Project, net: boolean): readonly string[] {
  const run = project.path("p/.noiseline/tmp/run");
  const work = `${run}/work`;
  const [readable, writable] = [[`${run}/in`, `${run}/out`], [work, `${run}/out`]];
  const found = box({
    ...{ programs: [PYTHON], readable, writable, project: project.path("p"), store: project.path("p/.noiseline") },
    ...{ temporary: `${work}/tmp`, cwd: work, net, gpu: false, env: {} },
  })!;
  assertEquals(found.left, undefined);
  // The shell that watches the program speaks on this descriptor.
  return ["/bin/sh", "-c", 'exec "$@" 3>&2', "sh", ...found.argv];
}

for (const user of ["root", "an ordinary user"]) {
  const why = NO_BOX ?? NO_PYTHON ?? (isRoot() ? undefined : "not root");
  Deno.test({
    name: `no way out of the box is open to ${user}${why === undefined ? "" : ` (skipped: ${why})`}`,
    ignore: why !== undefined,
    fn: async () => {
      await using project = surrounded();
      const drop = user === "root" ? [] : ["setpriv", "--reuid", "54321", "--regid", "54321", "--clear-groups"];
      if (drop.length > 0) {
        project.copy(HOST!, "escape_host.py");
        new Deno.Command("chown", { args: ["-R", "54321:54321", project.root] }).outputSync();
      }
      using _ = Deno.listen({ transport: "unix", path: project.path("p/inside.sock") });
      Deno.chmodSync(project.path("p/inside.sock"), 0o777);
      const found = await probe(project, drop, [], [...OPEN_WITHOUT, KEY]);
      assertEquals(
        OPEN_WITHOUT.filter((name) => !(name in found)),
        [],
        "what the probe should find open without a box",
      );
      // Documented: the session's keyring cannot be taken away without a filter of system calls.
      const kept = KEY in found ? [KEY] : [];
      const left = await probe(project, drop, boxOf(project, false));
      assertEquals(Object.keys(left), kept, JSON.stringify(left));
      // Abstract sockets belong to the network.
      const withNet = await probe(project, drop, boxOf(project, true));
      assertEquals(Object.keys(withNet), ["abstract socket", ...kept], JSON.stringify(withNet));
    },
  });
}

Deno.test({
  name: `what a shell has left open is closed for a program${NO_BOX === undefined ? "" : ` (skipped: ${NO_BOX})`}`,
  ignore: NO_BOX !== undefined,
  fn: async () => {
    await using project = new Project();
    const list = "ls -l /proc/self/fd >&2; echo a > ${outputs.out}/a.txt";
    project.write(
      "p.yaml",
      `name: demo\nstages:\n  a: { uses: command, with: { run: [sh, -c, '${list}'], outputs: { out: files } } }\n`,
    );
    const prefix = ["/bin/bash", "-c", 'exec 9</ 39</; exec "$@"', "bash"];
    const { code, stderr } = await project.cli(["run", "p.yaml", "--grant", "a:run=sh"], { prefix });
    assertEquals(code, 0, stderr);
    const { stdout } = await project.cli(["logs", "p.yaml", "a"]);
    assertEquals(/ 0 -> /.test(stdout), true, stdout);
    assertEquals(/ (9|39) -> /.test(stdout), false, stdout);
  },
});

Deno.test({
  name: `variables of a stage act on nothing outside the box${NO_BOX === undefined ? "" : ` (skipped: ${NO_BOX})`}`,
  ignore: NO_BOX !== undefined,
  fn: async () => {
    await using project = new Project();
    // The loader of each program that gets these variables writes a file `debug.PID`; in the box it cannot.
    const run = `[sh, -c, 'echo "it has $LD_DEBUG" >&2; echo a > ${"${outputs.out}"}/a.txt']`;
    const env = `{ LD_DEBUG: libs, LD_DEBUG_OUTPUT: ${project.path("debug")}, LD_LIBRARY_PATH: ${project.root} }`;
    project.write(
      "p.yaml",
      `name: demo\nstages:\n  a: { uses: command, with: { run: ${run}, env: ${env}, outputs: { out: files } } }\n`,
    );
    const { code, stderr } = await project.cli(["run", "p.yaml", "--grant", "a:run=sh"]);
    assertEquals(code, 0, stderr);
    assertEquals(Array.from(Deno.readDirSync(project.root), ({ name }) => name).filter((x) => /^debug/.test(x)), []);
    const { stdout } = await project.cli(["logs", "p.yaml", "a"]);
    assert(stdout.includes("it has libs"), stdout);
  },
});

for (const [refused, leaves] of [["--disable-userns", "refuses"], ["--unshare-user", "has no"]]) {
  Deno.test({
    name: `a note says which right stays where bubblewrap ${leaves} ${refused}${
      NO_BOX === undefined ? "" : ` (skipped: ${NO_BOX})`
    }`,
    ignore: NO_BOX !== undefined,
    fn: async () => {
      await using project = new Project();
      const real = new TextDecoder().decode((await new Deno.Command("which", { args: ["bwrap"] }).output()).stdout)
        .trim();
      const script = `for a; do case "$a" in ${refused}|--disable-userns) exit 1;; esac; done; exec ${real} "$@"`;
      project.write("bin/bwrap", `#!/bin/sh\n${script}\n`);
      Deno.chmodSync(project.path("bin/bwrap"), 0o755);
      const run = "[sh, -c, 'grep CapEff /proc/self/status > ${outputs.out}/a.txt']";
      project.write(
        "p.yaml",
        `name: demo\nstages:\n  a: { uses: command, with: { run: ${run}, outputs: { out: files } } }\n`,
      );
      const env = { PATH: `${project.path("bin")}:${Deno.env.get("PATH")}` };
      const { code, stderr } = await project.cli(["run", "p.yaml", "--grant", "a:run=sh"], { env });
      assertEquals(code, 0, stderr);
      assertEquals(/bubblewrap cannot take all rights: it may make namespaces of its own/.test(stderr), true, stderr);
      assertEquals(project.read("outputs/demo/a/a.txt").trim(), "CapEff:\t0000000000000000");
    },
  });
}
