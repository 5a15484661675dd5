import { z } from "zod";
import { defineKind } from "../../../../engine/contract/stage.ts";
import { ownable } from "../../../../schemas/definitions.ts";
import { execution, extent } from "../../../../schemas/roles.ts";

const entry = import.meta.resolve("./own_run.ts");

/** A kind whose params may all be replaced by a path definition. */
export const trackKind = defineKind({
  kind: "track",
  summary: "Write what a path is",
  version: 1,
  runs: "inline",
  entry,
  params: z.strictObject({ betas: z.string() }),
  inputs: {},
  outputs: { out: { type: "schedule", description: "" } },
  definitions: { "": "path" },
  // Reports a problem if this fact says so, to show which facts arrive here.
  check: (_params, _inputs, own) => ({
    problems: own?.[""]?.["variancePreserving"] === false
      ? [{ param: ["uses"], message: "it does not preserve the variance", got: "no", wanted: "yes" }]
      : [],
  }),
});

/** A kind with a network, an objective and an extent. */
export const learnKind = defineKind({
  kind: "learn",
  summary: "Write what networks are",
  version: 3,
  entry,
  params: z.strictObject({
    model: ownable(z.strictObject({ channels: z.int().default(4) }).prefault({})),
    objective: ownable(z.enum(["eps", "v"]).default("eps")),
    steps: extent(z.int().min(1).default(2)),
    device: execution(z.enum(["plain", "native"]).default("plain")),
    stopAt: execution(z.int().default(0)),
  }),
  inputs: { track: { type: "schedule", description: "", optional: true } },
  outputs: { out: { type: "checkpoint", description: "" } },
  definitions: { model: "network", objective: "objective" },
  // deno-lint-ignore require-await -- real kinds look at the machine
  device: async ({ device: name }) => ({
    device: {
      name,
      numerics: name,
      reason: "told so",
      card: false,
      native: name === "native",
      grants: async () => ({}),
    },
  }),
});

/** A kind that reads the result of `learn`. */
export const drawKind = defineKind({
  kind: "draw",
  summary: "Write what was learned with",
  version: 1,
  entry,
  params: z.strictObject({ text: z.string().default("a") }),
  inputs: { learned: { type: "checkpoint", description: "" } },
  outputs: { out: { type: "files", description: "" } },
});

const FORMS = { network: "defineNetwork", objective: "defineObjective", path: "definePath", sampler: "defineSampler" };
const BODIES = {
  network: "build: () => ({ parameters: [], forward: ({ x }) => x })",
  objective: "target: () => ({ x0: 0, noise: 1 })",
  path: "signal: (u) => Math.cos(u * Math.PI / 2), noise: (u) => Math.sin(u * Math.PI / 2)",
  sampler: "times: () => [], sample: ({ x }) => Promise.resolve(x)",
};

/**
 * Returns the file of a definition.
 * @param more lines before the export
 */
export function definitionOf(sort: keyof typeof FORMS, params = "", more = "", body = BODIES[sort]): string {
  return `import { ${FORMS[sort]} } from "noiseline";
import { z } from "zod";
${more}
export default ${FORMS[sort]}({ params: z.strictObject({ ${params} }), ${body} });
`;
}
