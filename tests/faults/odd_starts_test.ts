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
