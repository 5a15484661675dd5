import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Project } from "../../support/project.ts";
import { runCli } from "./capture.ts";

const YAML = `name: demo
stages:
  noise: { uses: schedule, with: { betas: ldm/cosine, timesteps: 1000 } }
`;

Deno.test("a note of a stage is said by validate and by the run in which the stage runs, and by no other command", async () => {
  await using project = new Project({ files: { "p.yaml": YAML } });
  const file = project.path("p.yaml");
  const told = async (...args: string[]) => {
    const { code, out, error } = await runCli(...args, file);
    assertEquals(code, 0, error);
    return (out + error).split("\n").filter((line) => line.includes("T > 1000"));
  };
  const [note, ...rest] = await told("validate");
  assertStringIncludes(
    note!,
    'note: stage "noise": timesteps 1000 is enough for ldm/cosine, whose rule of thumb is T > 1000',
  );
  assertEquals(rest, []);
  const { out } = await runCli("validate", file, "--json");
  const { notes, diagnostics } = JSON.parse(out) as { notes: string[]; diagnostics: unknown[] };
  assertEquals([notes.map((text) => `note: ${text}`), diagnostics], [[note], []]);
  for (const command of ["plan", "status", "graph"]) assertEquals(await told(command), [], command);
  const first = await told("run");
  assertEquals(first.length, 1);
  assertStringIncludes(first[0]!, "1.75e-9 bits per dimension");
  for (const command of ["run", "plan", "status"]) assertEquals(await told(command), [], command);
  assertEquals((await told("validate")).length, 1);
});

Deno.test("notes that differ only in numbers are one line with the stages and their number, in validate and on a page", async () => {
  const stages = Array.from({ length: 60 }, (_, i) => 700 + i);
  const matrix = `matrix: { timesteps: [${stages}] }, with: { betas: ldm/cosine, timesteps: "\${matrix.timesteps}" }`;
  const other = "  other: { uses: schedule, with: { betas: ho/linear, timesteps: 1000 } }";
  const yaml = `name: many\nstages:\n  noise: { uses: schedule, ${matrix} }\n${other}\n`;
  await using project = new Project({ files: { "p.yaml": yaml } });
  const file = project.path("p.yaml");
  const { out } = await runCli("validate", file);
  const notes = out.split("\n").filter((line) => line.startsWith("note: ") && line.includes("noise"));
  assertEquals(notes.length, 1, out);
  assertMatch(notes[0]!, /^note: stage "noise~timesteps=700", .*, … \(60 in all\): timesteps 700 is enough/);
  assertEquals(JSON.parse((await runCli("validate", file, "--json")).out).notes.length, 60);
  await runCli("run", file, "other");
  const page = await runCli("report", file);
  assert(page.out.length < 1_000, page.out);
  const html = Deno.readTextFileSync(project.path("outputs/many/report.html"));
  assertMatch(html, /<li>no result of &#34;noise~timesteps=700&#34;, .*, … \(60 in all\)<\/li>/);
});
