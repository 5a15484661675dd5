import { z } from "zod";
import { type BuiltinKind, defineKind } from "../../../../stages/contract.ts";
import { execution, extent, externalFile, legacy } from "../../../../schemas/roles.ts";

const entry = import.meta.resolve("./tiny_run.ts");
const files = { type: "files", description: "anything" } as const;

/** Reads nothing. */
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

/** Reads any number of files. */
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

/** Has an extent. */
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

/** Ports of every sort, for binding. */
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
  [sourceKind, mixKind, walkKind, portsKind].map((kind) => [kind.kind, kind as unknown as BuiltinKind]),
);
