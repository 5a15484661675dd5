import { assertEquals } from "@std/assert";
import { loadPipeline } from "noiseline/engine";
import { BUILTIN_KINDS } from "../../../../../stages/mod.ts";
import { hasProgram } from "../../../../support/proc.ts";
import { Project } from "../../../../support/project.ts";

const load = async (project: Project, written: string, { rest = "", folder = "." } = {}) => {
  project.write(`${folder}/p.yaml`, `name: demo\nstages:\n  a:\n    uses: command\n    with: ${written}\n${rest}`);
  return await loadPipeline(project.path(folder, "p.yaml"), { kinds: BUILTIN_KINDS });
};

/** Stages that are wrong, each with the place, what was got and wanted, and what to do. */
const WRONG: Readonly<Record<string, readonly [written: string, ...told: string[]]>> = {
  "a command that is not there": [
    "{ run: [pythn, a.py], sources: [a.py], outputs: { out: files } }",
    "stages.a.with.run[0]",
    '"pythn"',
    "a program that is on your PATH, or the path of one",
    // Debian has no other name.
    `did you mean "${hasProgram("python") ? "python" : "python3"}"?`,
  ],
  "a path where nothing is": [
    "{ run: [./none], outputs: { out: files } }",
    "stages.a.with.run[0]",
    '"./none"',
    "a program that is on your PATH, or the path of one",
    "install it, or give its path",
  ],
  "a source that is not there": [
    "{ run: [sh], sources: [b.py], outputs: { out: files } }",
    "stages.a.with.sources[0]",
    '"b.py"',
    "a file that exists, or a pattern that some file matches",
    "correct the path; it is relative to the pipeline file",
  ],
  "a pattern that matches nothing": [
    '{ run: [sh], sources: ["model/*.py"], outputs: { out: files } }',
    "stages.a.with.sources[0]",
    '"model/*.py"',
    "a file that exists, or a pattern that some file matches",
    "correct the path; it is relative to the pipeline file",
  ],
  "a source outside the project": [
    "{ run: [sh], sources: [/etc/passwd], outputs: { out: files } }",
    "stages.a.with.sources[0]",
    '"../../../../../../etc/passwd"',
    "a file of this project (@PROJECT@)",
    "copy it into @PROJECT@",
  ],
  "a source beside the project": [
    "{ run: [sh], sources: [../beside.py], outputs: { out: files } }",
    "stages.a.with.sources[0]",
    '"../beside.py"',
    "a file of this project (@PROJECT@)",
    "a project is the folder of the nearest deno.json above the pipeline, or else the pipeline's own: move the pipeline " +
    "to @ABOVE@, or have a deno.json there and none below",
  ],
  "a script that is no source": [
    "{ run: [sh, a.py], outputs: { out: files } }",
    "stages.a.with.run[1]",
    '"a.py"',
    "a file that is among the sources",
    'add "a.py" to sources',
  ],
  "a lock that is not there": [
    "{ run: [sh], lock: lock.txt, outputs: { out: files } }",
    "stages.a.with.lock",
    '"lock.txt"',
    "a file that exists",
    "correct the path; it is relative to the pipeline file",
  ],
  "a placeholder for no param": [
    '{ run: [sh, "--steps=${params.stpes}"], steps: 5, outputs: { out: files } }',
    "stages.a.with.run[1]",
    '"${params.stpes}"',
    "${params.steps}",
    "did you mean ${params.steps}?",
  ],
  "a placeholder for no input": [
    '{ run: [sh, "${inputs.images}"], outputs: { out: files } }',
    "stages.a.with.run[1]",
    '"${inputs.images}"',
    "a name under inputs",
    "correct the name, or add it to inputs",
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
    "no param that is called steps",
    "write steps beside params, not in them, or give the param another name",
  ],
  "srun": [
    "{ run: [srun, -N2, sh], outputs: { out: files } }",
    "stages.a.with.run[0]",
    '"srun"',
    "a program that noiseline itself starts on each node of the job",
    "leave srun out, and write resources: { nodes: N } in the stage and tasks: under with",
  ],
  "srun in a line of shell": [
    "{ run: [sh, -c, 'cd x && /usr/bin/srun -N2 sh'], outputs: { out: files } }",
    "stages.a.with.run[2]",
    '"cd x && /usr/bin/srun -N2 sh"',
    "a program that noiseline itself starts on each node of the job",
    "leave srun out, and write resources: { nodes: N } in the stage and tasks: under with",
  ],
  ...Object.fromEntries(
    ["--nproc-per-node=2", "--nproc_per_node", "--nnodes=1:4", "--rdzv-endpoint=a:1", "--master_port=1", "--standalone"]
      .map((option) => [`${option} beside tasks`, [
        `{ run: [sh, "${option}"], tasks: 2, outputs: { out: files } }`,
        "stages.a.with.run[1]",
        `"${option}"`,
        "no option about the number of processes or their places beside tasks",
        "leave it out: tasks and resources: { nodes: N } say it to torchrun",
      ]]),
  ),
  "accelerate beside tasks": [
    "{ run: [sh, accelerate], tasks: 2, outputs: { out: files } }",
    "stages.a.with.run[1]",
    '"accelerate"',
    "torchrun, which reads from variables what tasks says",
    "start the script with torchrun, or leave tasks out and write --num_processes",
  ],
  "a variable of torchrun's": [
    "{ run: [sh], env: { PET_NNODES: 2 }, outputs: { out: files } }",
    "stages.a.with.env.PET_NNODES",
    '"PET_NNODES"',
    "the name of a variable that noiseline does not set itself",
  ],
  "a variable that is noiseline's": [
    "{ run: [sh], env: { PYTHONPATH: . }, outputs: { out: files } }",
    "stages.a.with.env.PYTHONPATH",
    '"PYTHONPATH"',
    "the name of a variable that noiseline does not set itself",
  ],
  ...Object.fromEntries([
    ["an argument", 'run: [sh, "a\\0b"]', "run[1]"],
    ["a variable", 'run: [sh], env: { A: "a\\0b" }', "env.A"],
    ["a param", 'run: [sh, "${params.a}"], params: { a: "a\\0b" }', "params.a"],
  ].map(([name, written, place]) => [`${name} with a NUL character`, [
    `{ ${written}, outputs: { out: files } }`,
    `stages.a.with.${place}`,
    '"a\\u0000b"',
    "text without a NUL character",
  ]])),
};

for (const [name, [written, place, got, wanted, fix]] of Object.entries(WRONG)) {
  Deno.test(`a command is refused before anything runs: ${name}`, async () => {
    await using project = new Project({ files: { "own/deno.json": "{}", "own/a.py": "", "beside.py": "" } });
    const [path, above] = [project.path("own"), project.root];
    const loaded = await load(project, written, { folder: "own" });
    const [first, ...others] = loaded.ok ? [] : loaded.diagnostics;
    assertEquals(others, []);
    assertEquals(first?.message, `${place} is not valid`);
    const fill = (text: string | undefined) => text?.replaceAll("@PROJECT@", path).replaceAll("@ABOVE@", above);
    if (got !== undefined) assertEquals(first?.got?.replace(/^"(\.\.\/){3,}/, '"../../../../../../'), got);
    if (wanted !== undefined) assertEquals(first?.wanted, fill(wanted));
    if (fix !== undefined) assertEquals(first?.fix, fill(fix));
  });
}

Deno.test("a list of inputs has no one folder that could be filled in", async () => {
  await using project = new Project({});
  const rest = `  b:
    uses: command
    inputs: { parts: [a.out, a.out] }
    with: { run: [sh, -c, "ls \${inputs.parts}"], outputs: { out: files } }
`;
  const loaded = await load(project, "{ run: [sh], outputs: { out: files } }", { rest });
  const told = loaded.ok ? [] : loaded.diagnostics.map(({ got, wanted, fix }) => [got, wanted, fix]);
  assertEquals(told, [[
    '"${inputs.parts}"',
    "an input that is one folder, not a list",
    'read the folders of the list from the file that NOISELINE_STAGE names, in Python from noiseline.inputs["parts"]; ' +
    "or give each an input of its own",
  ]]);
});

Deno.test("several nodes are for a program, and share its tasks evenly", async () => {
  await using project = new Project({});
  const told = async (written: string, nodes: number) => {
    const loaded = await load(project, written, { rest: `    resources: { nodes: ${nodes} }\n` });
    return loaded.ok ? [] : loaded.diagnostics.map(({ message, fix }) => `${message}: ${fix}`);
  };
  const with_ = (tasks: string) => `{ run: [sh]${tasks}, outputs: { out: files } }`;
  assertEquals(await told(with_(""), 1), []);
  assertEquals(await told(with_(", tasks: 4"), 2), []);
  const asked = (fix: number) =>
    `write tasks: ${fix} under with, or another multiple of ${fix}: the processes of all nodes together`;
  assertEquals(await told(with_(""), 2), [`stage "a" says nothing of tasks, which 2 nodes share: ${asked(2)}`]);
  assertEquals(await told(with_(", tasks: 4"), 3), [`stage "a" says tasks: 4, which 3 nodes share: ${asked(3)}`]);
  project.write(
    "p.yaml",
    `name: demo
stages:
  a: { uses: schedule, with: { betas: ldm/cosine, timesteps: 10 }, resources: { nodes: 2 } }
`,
  );
  const loaded = await loadPipeline(project.path("p.yaml"), { kinds: BUILTIN_KINDS });
  const [first] = loaded.ok ? [] : loaded.diagnostics;
  assertEquals([first?.message, first?.fix], [
    'stage "a": schedule runs as one process, and uses one node',
    "remove nodes",
  ]);
});

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
    { rest: more },
  );
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.diagnostics));
  const [a, b] = [...loaded.value.stages.values()];
  assertEquals(Object.keys(a!.params["sources"] as object), ["a/b.py", "d.txt"]);
  assertEquals(b!.inputs["one"], [{ stage: "a", port: "left", type: "files" }]);
  assertEquals(b!.inputs["both"]!.map(({ type }) => type), ["files", "images"]);
});
