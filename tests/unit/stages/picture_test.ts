import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { defineStage } from "noiseline/engine";
import { testStage } from "noiseline/testing";
import { z } from "zod";
import { encodePng } from "../../../science/formats/png_encoder.ts";
import { collectArtifacts } from "../../../pages/report/collect.ts";
import { renderReport } from "../../../pages/report/page.ts";
import { NOTHING } from "../../support/report.ts";

const PNG = encodePng({ width: 2, height: 1, channels: 1, data: Uint8Array.of(0, 255) });
const SVG = '\uFEFF<?xml version="1.0"?>\n<!-- a > b -->\n<!DOCTYPE svg [<!ENTITY a "b">]>\n<svg xmlns="x"></svg>';

/** Runs a stage that writes files to an output of type `picture`; returns how it failed, if it did. */
async function write(files: Readonly<Record<string, string | Uint8Array>>): Promise<string | undefined> {
  const stage = defineStage({
    summary: "Draws",
    params: z.strictObject({}),
    inputs: {},
    outputs: { plot: { type: "picture", description: "" } },
    async run({ outputs }) {
      for (const [name, content] of Object.entries(files)) await outputs.plot.write(name, content);
    },
  });
  const { end } = await testStage(stage, { inputs: {} });
  return end?.status === "failed" ? `${end.message}; ${end.fix}` : end?.status;
}

Deno.test("a picture is one PNG or SVG with a caption; anything else fails the stage that writes it, and says how to write it", async () => {
  assertEquals(await write({ "picture.png": PNG, "caption.txt": "c" }), undefined);
  assertEquals(await write({ "picture.svg": SVG, "data.csv": "1" }), undefined);
  const wrong: [Readonly<Record<string, string | Uint8Array>>, string][] = [
    [{ "picture.png": PNG, "picture.svg": SVG }, "picture.png and picture.svg"],
    [{ "plot.png": PNG }, "only plot.png"],
    [{ "picture.png": PNG.subarray(0, 40) }, "cut off"],
    [{ "picture.svg": "<html><svg></svg></html>" }, "wanted an SVG"],
    [{ "picture.svg": Uint8Array.of(0xff, 0xfe) }, "not UTF-8"],
    [{ "picture.svg": `<svg>${" ".repeat(4 << 20)}</svg>` }, "wanted at most 4194304"],
    // As many ways to read this as a careless pattern would try.
    [{ "picture.svg": "<!---->".repeat(5_000) }, "wanted an SVG"],
    [{ "picture.png": PNG, "caption.txt": "x".repeat(2_001) }, "at most 2000 characters"],
  ];
  for (const [files, words] of wrong) {
    const end = await write(files) ?? "";
    assertStringIncludes(end, words);
    assertStringIncludes(end, 'output "plot" is not of type picture');
    assertStringIncludes(end, "write picture.png or picture.svg");
  }
});

Deno.test("a page shows a picture as an image with its caption, whatever they contain", async () => {
  const evil = '<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><script>alert(2)</script></svg>';
  const caption = "</figcaption><script>alert(3)</script>";
  const texts: Readonly<Record<string, string>> = { "picture.svg": evil, "caption.txt": caption };
  const artifact = {
    type: "picture" as const,
    digest: "d",
    files: Object.keys(texts).map((path) => ({ path, size: texts[path]!.length, sha256: path })),
    read: (path: string) => Promise.resolve(new TextEncoder().encode(texts[path])),
    readText: (path: string) => Promise.resolve(texts[path]!),
  };
  const { pictures, unreadable } = await collectArtifacts([{ title: "plot", artifact }]);
  assertEquals([pictures.length, unreadable], [1, []]);
  const page = renderReport({ ...NOTHING, pictures });
  assert(!/<(?:svg|script)[^>]*>?[^<]*alert/.test(page));
  assertStringIncludes(page, `src="data:image/svg+xml;base64,${btoa(evil)}"`);
  assertStringIncludes(page, "&#60;/figcaption&#62;&#60;script&#62;alert");
});
