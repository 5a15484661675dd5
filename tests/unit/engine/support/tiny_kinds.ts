import { z } from "zod";
import { type BuiltinKind, defineKind } from "../../../../engine/contract/stage.ts";
import { drawKind, learnKind, trackKind } from "./own_kinds.ts";
import { execution, extent, externalFile, legacy } from "../../../../schemas/roles.ts";

const entry = import.meta.resolve("./tiny_run.ts");
const files = { type: "files", description: "anything" } as const;

/** A kind that reads nothing. */
export const sourceKind = defineKind({
  kind: "source",
  summary: "Write a value",
  version: 1,
  runs: "inline",
  entry,
  params: z.strictObject({
    text: z.string().default("a"),
    fail: execution(z.boolean().default(false)),
    note: execution(z.string().default("")),
    file: externalFile(z.string().optional()),
    added: legacy(z.int().default(3), 3),
  }),
  inputs: {},
  outputs: { out: files },
});

/** A kind that reads any number of files. */
export const mixKind = defineKind({
  kind: "mix",
  summary: "Mix values",
  version: 1,
  runs: "inline",
  entry,
  params: z.strictObject({ text: z.string().default("a"), fail: execution(z.boolean().default(false)) }),
  inputs: { from: { ...files, list: true, optional: true }, one: { ...files, optional: true } },
  outputs: { out: files },
  seeded: true,
});

/** A kind with an extent. */
export const walkKind = defineKind({
  kind: "walk",
  summary: "Go some steps",
  version: 1,
  runs: "inline",
  entry,
  params: z.strictObject({ text: z.string().default("a"), steps: extent(z.int().min(1)) }),
  inputs: { from: { ...files, optional: true } },
  outputs: { out: files },
});

/** A kind with an extent, which folds a file from outside into its saved states. */
export const foldKind = defineKind({
  kind: "fold",
  summary: "Fold a file some times",
  version: 1,
  runs: "inline",
  entry: import.meta.resolve("./fold_run.ts"),
  params: z.strictObject({
    file: externalFile(z.string()),
    steps: extent(z.int().min(1)),
    stopAt: execution(z.int().default(0)),
    end: execution(z.enum(["interrupted", "failed", "throw"]).default("interrupted")),
  }),
  inputs: {},
  outputs: { out: files },
});

/** The devices that kind `compute` finds, and how often it looked for them. */
export const machine: {
  devices: Record<string, { numerics: string; card?: boolean; warning?: { message: string; fix: string } }>;
  looks: number;
  /** Numerics of saved states that the kind was last told of. */
  saved: readonly string[];
} = { devices: {}, looks: 0, saved: [] };

/** A kind with an extent, and a device of {@linkcode machine}. */
export const computeKind = defineKind({
  kind: "compute",
  summary: "Go some steps on a device",
  version: 1,
  runs: "inline",
  entry,
  params: z.strictObject({
    text: z.string().default("a"),
    steps: extent(z.int().min(1).default(1)),
    device: execution(z.string().default("fast")),
  }),
  inputs: { from: { ...files, optional: true } },
  outputs: { out: files },
  // deno-lint-ignore require-await -- real kinds look at the machine
  device: async ({ device: name }, _tryDevice, known) => {
    machine.looks++;
    machine.saved = known?.saved ?? [];
    const found = machine.devices[name];
    if (found !== undefined) {
      return { device: { name, card: false, ...found, reason: "told so", native: false, grants: async () => ({}) } };
    }
    const message = `device "${name}" is not available: unplugged`;
    return { problem: { severity: "error", param: ["device"], message, fix: "plug it in" } };
  },
});

/** A kind that can be computed in shards, and has an extent and facts about its work. */
export const dealKind = defineKind({
  kind: "deal",
  summary: "Hash items one by one",
  version: 1,
  runs: "inline",
  shards: true,
  entry: import.meta.resolve("./deal_run.ts"),
  params: z.strictObject({
    text: z.string().default("a"),
    count: extent(z.int().min(1).default(5)),
    fail: execution(z.int().default(0)),
  }),
  inputs: { from: { ...files, optional: true } },
  outputs: { out: files },
  check: ({ count }) => ({ problems: [], workGflop: count }),
});

/** A kind with ports of every sort, for binding. */
export const portsKind = defineKind({
  kind: "ports",
  summary: "Ports of every sort",
  version: 1,
  runs: "inline",
  entry,
  params: z.strictObject({}),
  inputs: {
    images: { type: "images", description: "", optional: true },
    needed: { type: "files", description: "" },
    many: { type: "files", description: "", list: true, optional: true },
  },
  outputs: {
    train: { type: "images", description: "" },
    test: { type: "images", description: "" },
    drawn: { type: "samples", description: "" },
    log: { type: "log", description: "" },
    out: { type: "files", description: "" },
  },
});

export const TINY_KINDS: Readonly<Record<string, BuiltinKind>> = Object.fromEntries(
  [
    sourceKind,
    mixKind,
    walkKind,
    foldKind,
    computeKind,
    dealKind,
    portsKind,
    trackKind,
    learnKind,
    drawKind,
  ].map((kind) => [kind.kind, kind as unknown as BuiltinKind]),
);
