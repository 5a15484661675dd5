import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { parseJson } from "../../../artifacts/record.ts";
import type { StageContext } from "../../../engine/contract/stage.ts";
import type { ArtifactType } from "../../../schemas/artifacts.ts";
import { FormatError } from "../../../science/formats/format_error.ts";
import checkCommand from "../../../stages/command/check.ts";

import { withFolder } from "./small_world.ts";

/** Checks files, by output, as those of a program. */
async function check(folder: string, types: Record<string, ArtifactType>, files: Record<string, string>) {
  for (const [path, text] of Object.entries(files)) {
    await Deno.mkdir(`${folder}/${path.split("/")[0]}`, { recursive: true });
    await Deno.writeTextFile(`${folder}/${path}`, text);
  }
  const outputs = Object.fromEntries(Object.keys(types).map((port) => [port, { folder: `${folder}/${port}` }]));
  return await checkCommand({ params: { outputs: types }, outputs } as unknown as StageContext);
}

Deno.test("all outputs that are wrong are named, with the page that describes their files", async () => {
  await withFolder(async (folder) => {
    const types = { drawn: "images", scores: "metrics", weights: "files", late: "features" } as const;
    const end = await check(folder, types, {
      "drawn/a.txt": "a",
      "scores/metrics.json": '{"format": 1,\n "metrics": [{"name": "NaN", "value": NaN, "count": 1}]}',
      "weights/NaN.json": "NaN",
    });
    assertEquals(end, {
      status: "failed",
      message: 'output "drawn" is not of type images: images.json: got only a.txt, wanted a file of this name\n' +
        'output "scores" is not of type metrics: metrics.json: got NaN in line 2, which JSON does not have, ' +
        "wanted finite numbers",
      fix: 'write the files that docs/other-languages.md describes for images ("Files of artifacts"); ' +
        'write the files that docs/other-languages.md describes for metrics ("Files of artifacts")',
    });
    const good = { "scores/metrics.json": '{"format": 1, "metrics": [{"name": "NaN", "value": 1, "count": 1}]}' };
    assertEquals(await check(folder, { scores: "metrics" }, good), undefined);
  });
});

Deno.test("a number that JSON does not have is found wherever it is, and never within a text", () => {
  const bads = ["NaN", "Infinity", "-Infinity"];
  const texts = fc.oneof(fc.string(), fc.constantFrom(...bads, '\\"NaN', '"', "\\"));
  fc.assert(
    fc.property(
      fc.dictionary(texts, fc.oneof(texts, fc.double({ noNaN: true, noDefaultInfinity: true }), fc.array(texts))),
      fc.constantFrom(...bads),
      fc.nat(),
      (value, bad, place) => {
        const marked = Object.entries({ ...value, last: "" });
        marked[place % marked.length]![1] = "@BAD@";
        const text = JSON.stringify(Object.fromEntries(marked), null, 1);
        assertEquals(parseJson("a.json", text), JSON.parse(text));
        // A key may be the mark too; what follows a colon is a value.
        const at = text.indexOf(': "@BAD@"') + 2;
        const broken = text.slice(0, at) + bad + text.slice(at + '"@BAD@"'.length);
        const line = text.slice(0, at).split("\n").length;
        let message = "";
        try {
          parseJson("a.json", broken);
        } catch (error) {
          if (error instanceof FormatError) message = error.message;
        }
        assertEquals(message, `a.json: got ${bad} in line ${line}, which JSON does not have, wanted finite numbers`);
      },
    ),
  );
});
