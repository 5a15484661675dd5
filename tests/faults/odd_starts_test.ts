import { assertEquals, assertMatch } from "@std/assert";
import { join } from "node:path";
import { CLONE } from "../support/cli_process.ts";
import { hasProgram, onlyIf } from "../support/proc.ts";
import { Project } from "../support/project.ts";

const FILE = `name: demo
stages:
  a: { uses: ./cook.ts, with: { text: hello } }
  noise: { uses: schedule, with: { betas: sigmoid, timesteps: 50 } }
`;

const makeProject = () => new Project({ stages: ["cook"], files: { "p.yaml": FILE } });

/** Starts a command by a shell, which first does something to itself. */
const afterShell = (before: string) => ({ prefix: ["sh", "-c", `${before}; exec "$@"`, "sh"] });

Deno.test({
  ...onlyIf(hasProgram("env"), "env is not here", "a run that its parent told to ignore ends of children is done"),
  async fn() {
    await using project = makeProject();
    const { code, stderr } = await project.cli(["run", "p.yaml"], { prefix: ["env", "--ignore-signal=CHLD"] });
    assertEquals(code, 0, stderr);
  },
});

Deno.test("a process that may open few files says how it may open more, in a message", async () => {
  let refused = 0;
  for (let most = 24; most < 48; most += 2) {
    await using project = makeProject();
    const { code, stdout, stderr } = await project.cli(["run", "p.yaml"], afterShell(`ulimit -n ${most}`));
    const said = stdout + stderr;
    if (code === 0) break;
    // Deno itself needs some files, and ends in words of its own where it has fewer.
    if (/panicked|Import '.*main.ts' failed/.test(said)) continue;
    refused++;
    assertEquals(code, 1, said);
    assertMatch(said, /too many (?:open )?files/i, `${most}`);
    assertMatch(said, /fix: +let more files be open, as by `ulimit -n 1024`/, `${most}: ${said}`);
    assertEquals(/^ +at |internal error/m.test(said), false, said);
  }
  assertEquals(refused > 0, true);
});

for (const asTask of [false, true]) {
  const name = `in a folder whose name is not UTF-8, ${asTask ? "a task" : "a command"} ends with one error`;
  Deno.test({
    ...onlyIf(Deno.build.os === "linux", "other systems have no such names", name),
    async fn() {
      await using project = makeProject();
      const enter = 'unset INIT_CWD; bad=$(printf "bad\\377"); mkdir "$bad"; cp p.yaml "$bad"; cd "$bad"';
      const task = [Deno.execPath(), "task", "--config", join(CLONE, "deno.json"), "validate", "p.yaml"];
      const start = asTask ? `${enter}; exec ${task.map((word) => `'${word}'`).join(" ")}` : enter;
      const { code, stdout, stderr } = await project.cli(["validate", "p.yaml"], afterShell(start));
      assertEquals([code, stdout], [2, ""], stderr);
      assertMatch(stderr, /error: .*not valid (?:UTF-8|unicode).*\n +fix: +rename the folder, or use another folder/);
      assertEquals(/^ +at |internal error/m.test(stderr), false, stderr);
    },
  });
}

Deno.test("a program that a limit of the shell ends says which limit, and how to raise it", async () => {
  const script = (name: string, text: string) => ({
    [`${name}.sh`]: text,
    [`${name}.yaml`]: `name: ${name}
stages:
  it: { uses: command, with: { run: [sh, ${name}.sh], sources: [${name}.sh], outputs: { out: files } } }
`,
  });
  await using project = new Project({
    files: {
      ...script("spin", "while true; do :; done\n"),
      ...script("write", "head -c 9000000 /dev/zero > large; kill -s XFSZ $$\n"),
      ...script("trap", "kill -s TRAP $$\n"),
    },
  });
  const cases = [
    ["spin", "ulimit -St 8", /SIGXCPU/, /as by `ulimit -t unlimited`/],
    ["spin", "ulimit -t 8", /SIGKILL/, /if memory ran out, .*; or let it take more .* `ulimit -t unlimited`/],
    ["write", "ulimit -f 8000", /SIGXFSZ/, /`ulimit -f unlimited`/],
    ["trap", ":", /SIGTRAP/, /if memory ran out, .*`ulimit -v unlimited`/],
  ] as const;
  for (const [name, limit, message, fix] of cases) {
    const args = ["run", `${name}.yaml`, "--json", "--grant", "it:run=sh"];
    const { code, events, stderr } = await project.cli(args, afterShell(limit));
    assertEquals(code, 1, stderr);
    const end = events.find(({ type }) => type === "stage-finished");
    assertMatch(end.message, message);
    assertMatch(end.fix, fix);
  }
});

Deno.test("where the shell lets no file grow as large as a result, the command says so and how to allow it", async () => {
  await using project = new Project({
    files: {
      "p.yaml": `name: demo
stages:
  it: { uses: command, with: { run: [sh, p.sh, "\${outputs.out}"], sources: [p.sh], outputs: { out: files } } }
`,
      "p.sh": 'head -c 9000000 /dev/zero > "$1/large"\n',
    },
  });
  assertEquals((await project.cli(["run", "p.yaml", "--grant", "it:run=sh"])).code, 0);
  project.remove("outputs");
  const { code, stderr } = await project.cli(["run", "p.yaml"], afterShell("ulimit -f 8000"));
  assertEquals(code, 1, stderr);
  assertMatch(
    stderr,
    /cannot write to the store: File too large .*\n +fix: let it write larger .*`ulimit -f unlimited`/,
  );
});
