import { askedGrants } from "./commands.ts";
import { Project } from "./project.ts";

/** Two ranks of a launcher that add up steps together. */
export const ADD_UP = `name: demo
stages:
  count:
    uses: command
    with:
      run: [./launch.py, --nproc-per-node=2, add_up.py]
      sources: [add_up.py]
      steps: 10
      outputs: { out: files }
      resumes: true
`;

/** Makes a project with the stand-in for torchrun and a script for it. */
export function withLauncher(text: string = ADD_UP): Project {
  const project = new Project({ files: { "p.yaml": text } });
  for (const name of ["launch.py", "add_up.py"]) project.copy(`tests/support/stages/${name}`, name);
  Deno.chmodSync(project.path("launch.py"), 0o755);
  return project;
}

/** The total of so many steps in two ranks, as add_up.py adds them up. */
export const totalOf = (steps: number): string => {
  let total = 0;
  for (let step = 1; step <= steps; step++) total = (2 * total + 3 * step) % 1_000_003;
  return `${total}\n`;
};

export { askedGrants };
