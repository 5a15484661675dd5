import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { join } from "node:path";
import {
  artifactRecordSchema,
  relativePathSchema,
  resultManifestSchema,
  timingSchema,
} from "../../../schemas/records.ts";
import { key, manifestOf } from "../engine/support/manifest.ts";

const isPath = (path: string) => relativePathSchema.safeParse(path).success;

Deno.test("a path in an artifact stays inside, whatever it is made of", () => {
  const part = fc.oneof(fc.constantFrom("..", ".", "", "a", "~", "...", "..\u0000", "C:", "\\"), fc.string());
  fc.assert(fc.property(fc.array(part, { minLength: 1, maxLength: 6 }), (parts) => {
    const path = parts.join("/");
    if (!isPath(path)) return;
    assertEquals(join("/root", path), `/root/${path}`);
    assert(!/[\\\p{Cc}]/u.test(path) && path.isWellFormed());
  }));
});

Deno.test("paths that a file system or a terminal would not take as they are, are refused", () => {
  const bad = [
    "",
    "/a",
    "a//b",
    "a/",
    "a/../b",
    "./a",
    "a\\b",
    "a\0",
    "a\nb",
    "\u001b[2J",
    "\u009b",
    "\ud800",
    "é".repeat(128),
  ];
  assertEquals(bad.filter(isPath), []);
  const good = ["a", "a/b.png", "...", ".hidden", "é".repeat(127), "a b", "日本/語", "-rf"];
  assertEquals(good.filter((path) => !isPath(path)), []);
});

Deno.test("the files of an artifact fit into one folder", () => {
  const record = (...paths: string[]) => ({
    type: "files",
    digest: key("d"),
    files: paths.map((path) => ({ path, size: 0, sha256: key(path) })),
  });
  const fits = (...paths: string[]) => artifactRecordSchema.safeParse(record(...paths)).success;
  assert(fits("a", "b/a", "b/c"));
  assert(!fits("a", "a"));
  assert(!fits("a", "a/b"));
  assert(!fits("a/b/c/d", "x", "a/b"));
});

Deno.test("names of ports and runs in a manifest cannot be paths", () => {
  const good = manifestOf("m", []);
  const parses = (more: Record<string, unknown>) => resultManifestSchema.safeParse({ ...good, ...more }).success;
  assert(parses({}));
  const names = ["../x", "/etc", "a/b", "..", "", "a b", "a\nb", "é", "a".repeat(65), "a.b", "-a"];
  for (const name of names) {
    assert(!parses({ outputs: { [name]: good.outputs["out"] } }), JSON.stringify(name));
    assert(!parses({ ingredients: { ...good.ingredients, inputs: { [name]: [] } } }), JSON.stringify(name));
    assert(!parses({ runId: name.replace(/^a{65}$/, "../../a") }), JSON.stringify(name));
  }
  assert(
    parses({
      outputs: { first: good.outputs["out"], someOutput_2: good.outputs["out"] },
      runId: "20261126T025601123-1a2b",
    }),
  );
});

Deno.test("a timing is a time that something took, or no record", () => {
  const good = { pipeline: "p", stage: "s", kind: "k", numerics: null, workGflop: 1, durationMs: 5, overheadMs: 5 };
  const parses = (more: object) => timingSchema.safeParse({ ...good, ...more }).success;
  assert(parses({}));
  const odd = [{ durationMs: -1 }, { durationMs: 1e308 }, { overheadMs: -1 }, { overheadMs: 6 }, { workGflop: -1 }];
  for (const more of [...odd, { extent: -1 }, { fromStep: -1 }]) assert(!parses(more), JSON.stringify(more));
});
