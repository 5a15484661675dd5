import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { z } from "zod";
import { execution, extent, externalFile, legacy, mapFiles, readRoles, rolesOf } from "../../../schemas/roles.ts";

const file = () => externalFile(z.string());
const rolesOfOne = (schema: z.ZodType) => readRoles(z.strictObject({ a: schema }));

const KEPT: [name: string, schema: z.ZodType, meta: Record<string, unknown>][] = [
  ["plain", file(), { role: "external" }],
  ["marked last", externalFile(z.string().optional()), { role: "external" }],
  ["optional", file().optional(), { role: "external" }],
  ["default", file().default("x"), { role: "external" }],
  ["nullable, read-only, described, refined", file().nullable().readonly().describe("x").refine(() => true), {
    role: "external",
  }],
  ["a check after the mark", file().min(1), { role: "external" }],
  ["a union with what is no text", z.union([file(), z.literal(false), z.number()]).optional(), { role: "external" }],
  ["what comes out of a pipe", z.preprocess((one) => one, file()), { role: "external" }],
  ["a list", z.array(file()).min(1).optional(), { role: "external", files: [[null]] }],
  ["one or a list", z.union([file(), z.array(file())]), { role: "external", files: [[], [null]] }],
  ["a record of maps", z.record(z.string(), z.strictObject({ path: file().optional(), label: z.string() })), {
    role: "external",
    files: [[null, "path"]],
  }],
  ["a tuple", z.tuple([z.string(), file()]), { role: "external", files: [["1"]] }],
  [
    "two alternatives",
    z.discriminatedUnion("kind", [
      z.strictObject({ kind: z.literal("one"), at: file() }),
      z.strictObject({ kind: z.literal("none"), size: z.string() }),
    ]),
    { role: "external", files: [["at"]] },
  ],
  ["extent", extent(z.int()).optional(), { role: "extent" }],
  ["execution", execution(z.string()).default("x"), { role: "execution" }],
  ["legacy", legacy(z.int(), 3).default(4), { legacy: 3 }],
  ["legacy and execution", legacy(execution(z.int()), 3).nullable(), { role: "execution", legacy: 3 }],
];

for (const [name, schema, meta] of KEPT) {
  Deno.test(`the role of a param is kept: ${name}`, () => {
    assertEquals(rolesOfOne(schema), { roles: { a: meta }, problems: [] });
  });
}

const tree: z.ZodType = z.strictObject({
  path: file(),
  get below() {
    return z.array(tree);
  },
});

const REFUSED: [name: string, schema: z.ZodType, message: RegExp][] = [
  ["an extent in a list", z.array(extent(z.int())), /extent\(…\) counts on a whole param/],
  ["an execution part", z.strictObject({ b: execution(z.int()) }), /execution\(…\) counts on a whole param/],
  ["a legacy part", z.strictObject({ b: legacy(z.int(), 1) }).optional(), /legacy\(…\) counts on a whole param/],
  ["an alternative", z.union([execution(z.int()), z.string()]), /execution\(…\) counts on a whole param/],
  ["a list as a path", externalFile(z.array(z.string())), /belongs around the text/],
  ["two roles", extent(execution(z.int())), /cannot be execution and extent/],
  ["a path among parts and a role of the whole", execution(z.array(file())), /cannot be execution and external/],
  ["a text that may be a path", z.union([file(), z.enum(["none"])]), /may be a path or something else/],
  ["a text elsewhere in a union", z.union([z.array(file()), z.tuple([z.string()])]), /may be a path or something else/],
  // As far as the schema tells, a rest may begin at any position.
  ["a text before a rest of paths", z.tuple([z.string()], file()), /may be a path or something else/],
  ["a path within anything", z.union([z.strictObject({ b: file() }), z.any()]), /may be a path or something else/],
  ["a path that is transformed", file().transform((one) => one.length), /what is transformed/],
  ["a key", z.record(file(), z.int()), /keys of maps, can have no role/],
  ["a schema that holds itself", z.array(tree), /holds itself/],
  ["a set", z.set(file()), /Map or Set/],
];

for (const [name, schema, message] of REFUSED) {
  Deno.test(`a definition whose role cannot be kept is refused: ${name}`, () => {
    assertMatch(rolesOfOne(schema).problems.join("; "), message);
  });
}

Deno.test("two extents are refused, and rolesOf() throws what readRoles() says", () => {
  const params = z.strictObject({ a: extent(z.int()), b: extent(z.int()).optional() });
  assertEquals(readRoles(params).problems, ["a and b cannot both be extents"]);
  assertThrows(() => rolesOf(params), Error, "a and b cannot both be extents");
});

Deno.test("mapFiles() finds the paths that are there, and leaves all else", () => {
  const { roles } = rolesOfOne(z.record(z.string(), z.strictObject({ path: file().optional(), label: z.string() })));
  const found: string[] = [];
  const value = { x: { path: "p", label: "l" }, y: { label: "m" } };
  const mapped = mapFiles(value, roles["a"]!, (path, at) => {
    found.push(`${at.join(".")} ${path}`);
    return null;
  });
  assertEquals([mapped, found], [{ x: { path: null, label: "l" }, y: { label: "m" } }, ["x.path p"]]);
  for (const one of [undefined, null, 3, []]) assertEquals(mapFiles(one, roles["a"]!, () => 1), one);
});
