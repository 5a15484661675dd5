import { assertEquals } from "@std/assert";
import { samplesIn } from "../../../pages/results/samples.ts";
import type { ResultManifest } from "../../../schemas/records.ts";

type Made = Readonly<Record<string, string>>;

/** A result of a kind, with digests of inputs and types of outputs by port; the digest of an output is `id.port`. */
function made(id: string, kind: string, inputs: Readonly<Record<string, string>>, outputs: Made) {
  const read = Object.entries(inputs).map(([port, digest]) => [port, [digest]]);
  const types = Object.entries(outputs).map(([port, type]) => [port, { type, digest: `${id}.${port}`, files: [] }]);
  const manifest = { ingredients: { kind, inputs: Object.fromEntries(read) }, outputs: Object.fromEntries(types) };
  return [id, manifest as unknown as ResultManifest] as const;
}

/** Returns the names of the results whose images are samples. */
function samples(
  all: readonly (readonly [string, ResultManifest | undefined])[],
  lines: Parameters<typeof samplesIn>[1] = [],
) {
  const found = samplesIn(all, lines);
  return all.filter(([, one]) => one !== undefined && found.has(one)).map(([id]) => id);
}

const DIGITS = made("digits", "dataset", {}, { train: "images", test: "images" });
const GUEST = (kind: string) => made("guest", kind, { images: "digits.train" }, { out: "images", log: "log" });

Deno.test("the images of a user's stage or program are samples, those of built-in kinds say so by their type", () => {
  for (const kind of ["custom", "command"]) assertEquals(samples([DIGITS, GUEST(kind)]), ["guest"]);
  assertEquals(samples([DIGITS, made("encode", "encode", { images: "digits.train" }, { images: "images" })]), []);
});

Deno.test("whoever measures or draws samples leaves them samples; whoever makes something of them makes them data", () => {
  const reads = (kind: string, port: string, type: string) =>
    samples([DIGITS, GUEST("command"), made("reader", kind, { [port]: "guest.out" }, { out: type })]).includes("guest");
  const leave = [
    ["score", "fake", "metrics"],
    ["neighbours", "samples", "metrics"],
    ["features", "images", "features"],
    ["decode", "samples", "samples"],
    ["custom", "images", "metrics"],
    ["command", "any", "picture"],
  ];
  for (const one of leave) assertEquals(reads(...one as [string, string, string]), true, one.join(" "));
  const take = [
    ["train", "images", "checkpoint"],
    ["score", "real", "metrics"],
    ["evaluate", "images", "metrics"],
    ["neighbours", "training", "metrics"],
    ["encode", "images", "images"],
    ["custom", "images", "images"],
    ["command", "images", "files"],
  ];
  for (const one of take) assertEquals(reads(...one as [string, string, string]), false, one.join(" "));
});

Deno.test("a stage that is planned to train on images makes them data before it has a result", () => {
  const lines = (
    kind: string,
  ) => [{ id: "guest", kind: "command", reads: ["digits"] }, { id: "next", kind, reads: ["guest"] }];
  assertEquals(samples([DIGITS, GUEST("command"), ["next", undefined]], lines("train")), []);
  assertEquals(samples([DIGITS, GUEST("command"), ["next", undefined]], lines("score")), ["guest"]);
  for (const [type, shown] of [["metrics", ["guest"]], ["files", []]] as const) {
    const [guest, next] = lines("command");
    const declared = { ...next!, params: [{ path: "with.outputs.out", value: type }] };
    assertEquals(samples([DIGITS, GUEST("command"), ["next", undefined]], [guest!, declared]), [...shown]);
  }
});

Deno.test("the held-out set of a stage that makes a training set is data too", () => {
  const sets = made("sets", "custom", {}, { train: "images", test: "images" });
  assertEquals(samples([sets, made("train", "train", { images: "sets.train" }, { checkpoint: "checkpoint" })]), []);
});
