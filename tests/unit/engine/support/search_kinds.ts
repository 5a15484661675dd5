import { z } from "zod";
import { type BuiltinKind, defineKind } from "../../../../engine/contract/stage.ts";
import { extent, externalFile } from "../../../../schemas/roles.ts";
import { selectKind } from "../../../support/builtin_kinds.ts";
import { TINY_KINDS } from "./tiny_kinds.ts";

const entry = import.meta.resolve("./search_run.ts");
const files = { type: "files", description: "the height, and the steps that led to it" } as const;

/** A kind with an extent that continues from saved states: a stand-in for a training. */
export const climbKind = defineKind({
  kind: "climb",
  summary: "Climb some steps at a pace",
  version: 1,
  runs: "inline",
  entry,
  params: z.strictObject({
    ...{ pace: z.number(), shoe: z.string().default("boot"), steps: extent(z.int().min(1)) },
    map: externalFile(z.string().optional()),
  }),
  inputs: { from: { ...files, optional: true } },
  outputs: { out: files },
});

/** A kind that measures what `climb` has reached. */
export const gradeKind = defineKind({
  kind: "grade",
  summary: "Measure how high a climb came",
  version: 1,
  runs: "inline",
  entry,
  params: z.strictObject({ names: z.array(z.string()).default(["L_simple"]) }),
  inputs: { climb: files },
  outputs: { metrics: { type: "metrics", description: "" }, sheet: files },
  check: ({ names }) => ({ problems: [], facts: { metrics: { names } } }),
});

/** The steps that climbs went, and the one from which each started. */
export const walked = { steps: 0, starts: [] as string[] };

export const SEARCH_KINDS: Readonly<Record<string, BuiltinKind>> = {
  ...TINY_KINDS,
  climb: climbKind as unknown as BuiltinKind,
  grade: gradeKind as unknown as BuiltinKind,
  select: selectKind as unknown as BuiltinKind,
};

/** A search over climbs, with a reader of the winner. */
export function searchYaml({ trials = 27, rungs = "[100, 300, 900]", more = "", to = 10 } = {}): string {
  return `name: p
stages:
  train:
    uses: climb
    search:
      over: { pace: { from: 0.01, to: ${to}, log: true }, shoe: [boot, clog] }
      trials: ${trials}
      rungs: ${rungs}
      score: evaluate.L_simple
    with: { pace: "\${search.pace}", shoe: "\${search.shoe}" }
  evaluate: { uses: grade, inputs: { climb: train } }
  reader: { uses: mix, inputs: { from: [train] } }
${more}`;
}
