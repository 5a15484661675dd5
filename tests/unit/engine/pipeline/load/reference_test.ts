import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { nodeIdOf, parseReference } from "../../../../../engine/pipeline/compose/reference.ts";

Deno.test("parseReference() reads stage, extent and port", () => {
  assertEquals(parseReference("train"), { stage: "train" });
  assertEquals(parseReference("train.log"), { stage: "train", port: "log" });
  assertEquals(parseReference("train@2000"), { stage: "train", extent: 2000 });
  assertEquals(parseReference("a-b_1@1.outX"), { stage: "a-b_1", extent: 1, port: "outX" });
});

Deno.test("parseReference() gives nothing for what is no reference", () => {
  const texts = [
    "",
    ".",
    "Train",
    "1a",
    "a.",
    ".a",
    "a.b.c",
    "a@",
    "a@0",
    "a@-1",
    "a@1.5",
    "a@1e3",
    "a b",
    "a@x",
    "a//b",
  ];
  for (const text of [...texts, "../a", "a.1", "a@99999999999999999999", "a\n", "a@1@2"]) {
    assertEquals(parseReference(text), undefined, JSON.stringify(text));
  }
});

Deno.test("nodeIdOf() and parseReference() are inverse to each other", () => {
  const id = fc.stringMatching(/^[a-z][a-z0-9_-]{0,8}$/);
  fc.assert(fc.property(id, fc.option(fc.integer({ min: 1, max: 1e9 }), { nil: undefined }), (stage, extent) => {
    const reference = extent === undefined ? { stage } : { stage, extent };
    assertEquals(parseReference(nodeIdOf(reference)), reference);
  }));
});
