import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { CLONE } from "../../support/cli_process.ts";
import { hasProgram, onlyIf } from "../../support/proc.ts";
import { Project } from "../../support/project.ts";

/** C0 except tab and line breaks, DEL, C1, and the controls of text direction. */
const ACTING =
  // deno-lint-ignore no-control-regex
  /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/;

const STAGE = `import { defineStage } from "noiseline";
import { z } from "zod";
const evil = "a\\u009b2Jb\\u202ec\\u001b[31md\\u2066e\\rX\\nY";
export default defineStage({
  summary: "Says what acts on a terminal",
  params: z.strictObject({ fails: z.boolean().default(false) }),
  inputs: {},
  outputs: { out: { type: "files", description: "Nothing" } },
  async run({ params, outputs, note, warn, report }) {
    console.log(evil);
    note(evil);
    warn(evil);
    report({ done: 1, total: 2, unit: evil, figures: { [evil]: 1 } });
    await outputs.out.write("a.txt", "");
    if (params.fails) return { status: "failed", message: evil, fix: evil };
    return undefined;
  },
});
`;

const PIPELINE = `name: demo
stages:
  good: { uses: ./evil.ts }
  bad: { uses: ./evil.ts, with: { fails: true } }
`;

const FILES = { "evil.ts": STAGE, "p.yaml": PIPELINE };

/** Checks a text without carriage returns, because a terminal puts one before each line break. */
function assertHarmless(text: string, what: string): void {
  const found = ACTING.exec(text);
  assert(found === null, `${what}: ${JSON.stringify(text.slice(Math.max(0, (found?.index ?? 0) - 40)))}`);
}

Deno.test("nothing that a stage or a file says acts on a terminal, and its lines stand under its name", async () => {
  await using project = new Project({ files: FILES });
  const ran = await project.cli(["run", "p.yaml", "--keep-going"]);
  assertEquals(ran.code, 1, ran.stdout + ran.stderr);
  const json = await project.cli(["run", "p.yaml", "--json"]);
  const [log, logJson, again] = await Promise.all([
    project.cli(["logs", "p.yaml", "good"]),
    project.cli(["logs", "p.yaml", "good", "--json"]),
    project.cli(["runs"]),
  ]);
  project.write("q.yaml", 'name: demo\nstages:\n  "a\\u009b2J\\e[31m\\u202e\\nfix: b": { uses: nothing }\n');
  const refused = await project.cli(["validate", "q.yaml"]);
  const refusedJson = await project.cli(["validate", "q.yaml", "--json"]);
  assertEquals(refused.code, 2);
  for (const { stdout, stderr } of [ran, json, log, logJson, again, refused, refusedJson]) {
    for (const text of [stdout, stderr]) assertHarmless(text.replaceAll("\r", "\u0001"), "piped");
  }
  assertStringIncludes(ran.stderr, "good: warning: a");
  for (const line of ran.stderr.split("\n")) {
    assert(!/^[XY]/.test(line), `no line begins with a stage's text: ${line}`);
  }
  for (const line of refused.stderr.split("\n")) assert(!line.startsWith("fix"), `nor with a file's: ${line}`);
  for (const text of [json.events.find(({ type }) => type === "stage-note").message, logJson.json.lines.join("\n")]) {
    assertStringIncludes(text, "b\\u202ec");
  }
  assertStringIncludes(log.stdout, "b\\u202ec");
  // JSON contains the file's text, with its special characters escaped.
  assertStringIncludes(JSON.stringify(refusedJson.json), "\u202e");
});

Deno.test({
  ...onlyIf(
    hasProgram("script"),
    "there is no `script` to make a terminal with",
    "nor does it on a terminal, where only our own colours are",
  ),
  async fn() {
    await using project = new Project({ files: FILES });
    const onTerminal = async (size: string) => {
      const run = `${Deno.execPath()} run -A ${CLONE}cli/main.ts run p.yaml --keep-going`;
      const { stdout } = await new Deno.Command("script", {
        args: ["-qec", `stty ${size}; ${run}`, "/dev/null"],
        cwd: project.root,
        env: { TERM: "xterm", NO_COLOR: "" },
        stdin: "null",
      }).output();
      return new TextDecoder().decode(stdout);
    };
    const text = await onTerminal("cols 100 rows 50");
    assertStringIncludes(text, "good: a");
    // deno-lint-ignore no-control-regex
    const plain = text.replaceAll(/\u001b\[[\d;?]*[A-Za-z]/g, "").replaceAll("\r", "");
    assertHarmless(plain, "terminal");
    // deno-lint-ignore no-control-regex
    assert(!/c\u001b\[31md/.test(text), "the stage's own colour");
    // A terminal without a size, as on some CI systems, cannot be redrawn.
    assertStringIncludes(await onTerminal("cols 0 rows 0"), "  log: .noiseline");
  },
});
