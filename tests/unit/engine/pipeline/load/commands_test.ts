import { assertEquals } from "@std/assert";
import { loadPipeline } from "noiseline/engine";
import { BUILTIN_KINDS } from "../../../../../stages/mod.ts";
import { Project } from "../../../../support/project.ts";

const load = async (project: Project, written: string, rest = "") => {
  project.write("p.yaml", `name: demo\nstages:\n  a:\n    uses: command\n    with: ${written}\n${rest}`);
  return await loadPipeline(project.path("p.yaml"), { kinds: BUILTIN_KINDS });
};

/** Stages that are wrong, each with the place, what was got and what was wanted. */
const WRONG: Readonly<Record<string, readonly [written: string, ...told: string[]]>> = {
  "a command that is not there": [
    "{ run: [pythn, a.py], sources: [a.py], outputs: { out: files } }",
    "stages.a.with.run[0]",
    '"pythn"',
    "a program that is on your PATH, or the path of one",
  ],
  "a path where nothing is": [
    "{ run: [./none], outputs: { out: files } }",
    "stages.a.with.run[0]",
    '"./none"',
    "a program that is on your PATH, or the path of one",
  ],
  "a source that is not there": [
    "{ run: [sh], sources: [b.py], outputs: { out: files } }",
    "stages.a.with.sources[0]",
    '"b.py"',
    "a file that exists, or a pattern that some file matches",
  ],
  "a pattern that matches nothing": [
    '{ run: [sh], sources: ["model/*.py"], outputs: { out: files } }',
    "stages.a.with.sources[0]",
    '"model/*.py"',
    "a file that exists, or a pattern that some file matches",
  ],
  "a source outside the project": [
    "{ run: [sh], sources: [/etc/passwd], outputs: { out: files } }",
    "stages.a.with.sources[0]",
  ],
  "a script that is no source": [
    "{ run: [sh, a.py], outputs: { out: files } }",
    "stages.a.with.run[1]",
    '"a.py"',
    'a file that is among the sources; add it: sources: ["a.py"]',
  ],
  "a lock that is not there": [
    "{ run: [sh], lock: lock.txt, outputs: { out: files } }",
    "stages.a.with.lock",
    '"lock.txt"',
    "a file that exists",
  ],
  "a placeholder for no param": [
    '{ run: [sh, "--steps=${params.stpes}"], steps: 5, outputs: { out: files } }',
    "stages.a.with.run[1]",
    '"${params.stpes}"',
    "${params.steps}",
  ],
  "a placeholder for no input": [
    '{ run: [sh, "${inputs.images}"], outputs: { out: files } }',
    "stages.a.with.run[1]",
    '"${inputs.images}"',
    "no ${inputs.…}, since there are none",
  ],
  "no outputs": ["{ run: [sh], outputs: {} }", "stages.a.with.outputs", "{}", "at least one output"],
  "a type that programs do not write": [
    "{ run: [sh], outputs: { out: schedule } }",
    "stages.a.with.outputs.out",
    '"schedule"',
  ],
  "steps twice": [
    "{ run: [sh], steps: 5, params: { steps: 6 }, outputs: { out: files } }",
    "stages.a.with.params.steps",
    "6",
    "steps beside params, or another name",
  ],
  "a variable that is noiseline's": [
    "{ run: [sh], env: { PYTHONPATH: . }, outputs: { out: files } }",
    "stages.a.with.env.PYTHONPATH",
    '"PYTHONPATH"',
    "the name of a variable that noiseline does not set itself",
  ],
};

for (const [name, [written, place, got, wanted]] of Object.entries(WRONG)) {
  Deno.test(`a command is refused before anything runs: ${name}`, async () => {
    await using project = new Project({ files: { "a.py": "" } });
    const loaded = await load(project, written);
    const [first, ...others] = loaded.ok ? [] : loaded.diagnostics;
    assertEquals(others, []);
    assertEquals(first?.message, `${place} is not valid`);
    if (got !== undefined) assertEquals(first?.got, got);
    if (wanted !== undefined) assertEquals(first?.wanted, wanted);
  });
}

Deno.test("${params.…} has a meaning in run alone", async () => {
  await using project = new Project({});
  const loaded = await load(project, '{ run: [sh], params: { a: 1, b: "${params.a}" }, outputs: { out: files } }');
  assertEquals(loaded.ok ? [] : loaded.diagnostics.map(({ message }) => message), ["cannot resolve ${params.a}"]);
});

Deno.test("a command reads any outputs by its own names, and is read by their types", async () => {
  await using project = new Project({
    files: { "a/b.py": "", "a/.hidden.py": "", "a/__pycache__/c.py": "", "d.txt": "" },
  });
  const more = `  b:
    uses: command
    inputs: { one: a.left, both: [a.left, a.right] }
    with: { run: [sh, "\${inputs.one}", "\${outputs.out}"], outputs: { out: metrics } }
`;
  const loaded = await load(
    project,
    '{ run: [sh], sources: ["**/*.py", d.txt], outputs: { left: files, right: images } }',
    more,
  );
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.diagnostics));
  const [a, b] = [...loaded.value.stages.values()];
  assertEquals(Object.keys(a!.params["sources"] as object), ["a/b.py", "d.txt"]);
  assertEquals(b!.inputs["one"], [{ stage: "a", port: "left", type: "files" }]);
  assertEquals(b!.inputs["both"]!.map(({ type }) => type), ["files", "images"]);
});
