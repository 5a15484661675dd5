import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { CLONE } from "../support/cli_process.ts";
import { hasProgram, skipUnless } from "../support/proc.ts";
import { Project } from "../support/project.ts";

const PIPELINE = `name: demo
stages:
  noise: { uses: schedule, with: { betas: ldm/cosine, timesteps: 1250 } }
`;

/** Every command with arguments that make it succeed. */
const COMMANDS: Readonly<Record<string, readonly string[]>> = {
  run: ["p.yaml"],
  plan: ["p.yaml"],
  why: ["p.yaml", "noise"],
  status: ["p.yaml"],
  graph: ["p.yaml"],
  validate: ["p.yaml"],
  show: ["p.yaml"],
  stages: [],
  schema: [],
  doctor: [],
};

// deno-lint-ignore no-control-regex
const ESCAPE = /\u001b/;

for (const [command, args] of Object.entries(COMMANDS)) {
  Deno.test(`${command} gives plain text and JSON when asked, and no colours`, async () => {
    await using project = new Project({ files: { "p.yaml": PIPELINE } });
    const [text, json] = await Promise.all([
      project.cli([command, ...args]),
      project.cli(
        [command, ...args, "--json", "--store", "other"].filter((word, _, all) =>
          ["run", "plan", "why", "status"].includes(command) || !all.slice(-2).includes(word)
        ),
      ),
    ]);
    assertEquals([text.code, json.code], [0, 0], text.stderr + json.stderr);
    if (command === "run") assert(json.events.length > 0);
    else assertEquals(typeof json.json, "object");
    for (const { stdout, stderr } of [text, json]) assert(!ESCAPE.test(stdout + stderr), stdout + stderr);
    assert(text.stdout.length > 0);
    const writes = ["run"].includes(command);
    assertEquals(project.exists(".noiseline"), writes);
    assertEquals(project.exists("other"), writes);
  });
}

Deno.test("run --json tells of every stage when it runs and of nothing to do when it runs again", async () => {
  await using project = new Project({ files: { "p.yaml": PIPELINE } });
  const first = await project.cli(["run", "p.yaml", "--json"]);
  assertEquals(
    first.events.map(({ type }) => type),
    ["run-started", "stage-started", "stage-finished", "run-finished"],
  );
  assertEquals(first.events[2].state, "ran");
  const again = await project.cli(["run", "p.yaml"]);
  const { page } = first.events[3];
  assertEquals(page, project.path("outputs/demo/report.html"));
  assertEquals([again.code, again.stdout], [
    0,
    "demo: nothing to do (1 stage cached)\npage: outputs/demo/report.html\n",
  ]);
});

Deno.test("noiseline suggests a name and exits with 2 when a command or an option is unknown", async () => {
  await using project = new Project({ files: { "p.yaml": PIPELINE } });
  const [command, option, kind, stage, missing, extra, number] = await Promise.all([
    project.cli(["rnu", "p.yaml"]),
    project.cli(["run", "p.yaml", "--keep-goin"]),
    project.cli(["stages", "trains"]),
    project.cli(["why", "p.yaml", "nois"]),
    project.cli(["run"]),
    project.cli(["validate", "p.yaml", "q.yaml"]),
    project.cli(["run", "p.yaml", "--jobs", "many"]),
  ]);
  for (const { code, stdout, stderr } of [command, option, kind, stage, missing, extra, number]) {
    assertEquals(code, 2, stdout + stderr);
    assertMatch(stderr, /error: /);
    assertEquals(stdout, "");
  }
  assertStringIncludes(command.stderr, 'unknown command "rnu"');
  assertStringIncludes(command.stderr, "run");
  assertStringIncludes(option.stderr, "--keep-going");
  assertStringIncludes(kind.stderr, 'did you mean "train"?');
  assertStringIncludes(stage.stderr, 'did you mean "noise"?');
  assertStringIncludes(missing.stderr, "fix:    see `run --help`");
  assertEquals(project.exists(".noiseline"), false);
});

Deno.test("noiseline lists its commands when asked for help or for nothing", async () => {
  await using project = new Project();
  const [help, nothing, version, word, option] = await Promise.all([
    project.cli(["--help"]),
    project.cli([]),
    project.cli(["--version"]),
    project.cli(["help", "run"]),
    project.cli(["run", "--help"]),
  ]);
  assertEquals([help, nothing, version, word, option].map(({ code }) => code), [0, 0, 0, 0, 0]);
  for (const name of Object.keys(COMMANDS)) assertMatch(help.stdout, new RegExp(`^  ${name} `, "m"));
  assertEquals(nothing.stdout, help.stdout);
  assertEquals(version.stdout.trim(), JSON.parse(Deno.readTextFileSync(`${CLONE}deno.json`)).version);
  assertStringIncludes(word.stdout, `deno run -A ${CLONE}cli/main.ts run`);
  assertEquals(option.stdout, word.stdout);
  for (const { stdout, stderr } of [help, version, word]) assert(!ESCAPE.test(stdout + stderr), stdout + stderr);
});

Deno.test("validate colours its errors on a terminal and not when NO_COLOR is set", async (t) => {
  await t.step({
    name: "on a terminal",
    ignore: skipUnless(hasProgram("script"), "there is no `script` to make a terminal with"),
    fn: async () => {
      await using project = new Project({ files: { "p.yaml": "name: 1\n" } });
      const onTerminal = async (env: Record<string, string>) => {
        const command = `${Deno.execPath()} run -A ${CLONE}cli/main.ts validate p.yaml`;
        const { stdout } = await new Deno.Command("script", {
          args: ["-qec", command, "/dev/null"],
          cwd: project.root,
          env: { TERM: "xterm", ...env },
          stdin: "null",
        }).output();
        return new TextDecoder().decode(stdout);
      };
      const [coloured, plain] = await Promise.all([onTerminal({ NO_COLOR: "" }), onTerminal({ NO_COLOR: "1" })]);
      assertMatch(coloured, ESCAPE);
      assertStringIncludes(plain, "error: ");
      assert(!ESCAPE.test(plain), plain);
    },
  });
});
