import { z } from "zod";
import { type BuiltinKind, defineKind } from "../../../engine/contract/stage.ts";
import { extent, externalFile } from "../../../schemas/roles.ts";

const files = { type: "files", description: "Text" } as const;

/** Joins texts, in the engine's own process. */
const join = defineKind({
  kind: "join",
  summary: "Joins a text, a file and its inputs",
  version: 1,
  runs: "inline",
  entry: import.meta.resolve("./join_run.ts"),
  params: z.strictObject({ text: z.string().default(""), file: externalFile(z.string().optional()) }),
  inputs: { from: { ...files, list: true, optional: true } },
  outputs: { out: files },
});

/** Walks a chain of hashes in a separate process, and saves every second step. */
const walk = defineKind({
  kind: "walk",
  summary: "Walks a chain of hashes",
  version: 1,
  entry: import.meta.resolve("./walk_run.ts"),
  params: z.strictObject({ text: z.string().default("a"), steps: extent(z.int().min(1)), pauseMs: z.int().default(0) }),
  inputs: { from: { ...files, optional: true } },
  outputs: { out: files, log: { ...files, type: "log" } },
});

/** Kinds of the fixture pipeline. They are built in, so that no launch has to describe them in a child process. */
export const FAULT_KINDS: Readonly<Record<string, BuiltinKind>> = Object.fromEntries(
  [join, walk].map((kind) => [kind.kind, kind as unknown as BuiltinKind]),
);
