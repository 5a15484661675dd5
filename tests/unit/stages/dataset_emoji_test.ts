import { assertEquals, assertThrows } from "@std/assert";
import { join } from "node:path";
import { installFiles } from "../../../engine/process/install.ts";
import { EMOJI_CATEGORIES } from "../../../artifacts/labels.ts";
import { SOURCES } from "../../../stages/dataset/sources.ts";
import { cutCells, firstOfEachPicture, parseEmoji } from "../../../stages/dataset/emoji.ts";
import { datasetKind } from "../../support/builtin_kinds.ts";
import { readImages } from "../../../artifacts/images.ts";
import { skipTestsUnless } from "../../support/proc.ts";
import { runStage } from "../../support/stage_context.ts";
import { withFolder } from "./small_world.ts";

const EMOJI = SOURCES["npm/emoji-datasource-google"];

const ENTRY = { unified: "1F44B", category: "People & Body", sheet_x: 1, sheet_y: 0, has_img_google: true };

Deno.test("parseEmoji() gives the emoji that the set has", () => {
  const parsed = parseEmoji([ENTRY, { ...ENTRY, unified: "1F600", has_img_google: false }]);
  assertEquals(parsed, [{ codePoints: "1F44B", category: "People & Body", cell: { column: 1, row: 0 } }]);
  assertThrows(() => parseEmoji([{ ...ENTRY, category: "Robots" }]));
  assertEquals([...EMOJI_CATEGORIES].sort(), EMOJI_CATEGORIES);
});

Deno.test("cutCells() cuts inside the border of a cell and lays it on white", () => {
  // Two cells of 2x2 with a border of one: columns 1-2 and 5-6, rows 1-2.
  const sheet = { width: 8, height: 4, channels: 4, data: new Uint8Array(8 * 4 * 4) };
  const paint = (x: number, y: number, ...rgba: number[]) => sheet.data.set(rgba, (y * 8 + x) * 4);
  paint(5, 1, 10, 20, 30, 255);
  paint(6, 2, 0, 0, 0, 51);
  paint(4, 1, 99, 99, 99, 255);
  assertEquals([...cutCells(sheet, [{ column: 1, row: 0 }], 2)], [
    ...[10, 20, 30, 255, 255, 255],
    ...[255, 255, 255, 204, 204, 204],
  ]);
});

Deno.test("firstOfEachPicture() leaves out what looks like an earlier emoji, alpha or not", () => {
  // Cells of 1x1 with a border of one: white, clear and black.
  const sheet = { width: 9, height: 3, channels: 4, data: new Uint8Array(9 * 3 * 4) };
  sheet.data.set([255, 255, 255, 255], (9 + 1) * 4);
  sheet.data.set([0, 0, 0, 255], (9 + 7) * 4);
  const emoji = [0, 1, 2].map((column) => ({
    codePoints: `${column}`,
    category: "Flags",
    cell: { column, row: 0 },
  }));
  assertEquals(firstOfEachPicture(emoji, sheet, 1).map(({ codePoints }) => codePoints), ["0", "2"]);
});

/** Returns true if Deno already has the package: a test must not download 74 MB. */
async function isCached(): Promise<boolean> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  const { npmCache } = JSON.parse(new TextDecoder().decode(stdout)) as { npmCache: string };
  const registries = await Array.fromAsync(Deno.readDir(npmCache)).catch(() => []);
  const { name, version } = EMOJI.package;
  const files = registries.map((registry) => `${npmCache}/${registry.name}/${name}/${version}/emoji.json`);
  const found = await Promise.all(files.map((file) => Deno.stat(file).then(() => true, () => false)));
  return found.includes(true);
}

const missing = skipTestsUnless(
  await isCached(),
  `${EMOJI.package.name} is not in Deno's cache (the real emoji); it is 74 MB`,
);

Deno.test({
  name: "the emoji package holds what the facts say, and the split is fixed",
  ignore: missing,
  fn: async () => {
    await withFolder(async (folder) => {
      const installed = await installFiles(EMOJI.package, () => {});
      if ("problem" in installed) throw new Error(installed.problem);
      const packages = { [EMOJI.package.name]: installed.folder };
      const options = { params: { source: "npm/emoji-datasource-google" }, packages };
      const { outputs } = await runStage(folder, datasetKind, options);
      const [train, test] = [await readImages(outputs["train"]!), await readImages(outputs["test"]!)];
      assertEquals([train.info.count + test.info.count, test.info.count], [EMOJI.counts.all, 189]);
      const labels = [...train.labels!, ...test.labels!];
      // Counted in the package's emoji.json with Python, less nine flags and five families that repeat a picture.
      const counts = EMOJI_CATEGORIES.map((_, label) => labels.filter((one) => one === label).length);
      assertEquals(counts, [85, 159, 5, 261, 131, 264, 381, 169, 224, 218]);
      // Skin tones of one emoji are not in the set, and so cannot be on both sides of the split.
      const entries = parseEmoji(JSON.parse(await Deno.readTextFile(join(installed.folder, "emoji.json"))));
      const toned = entries.map(({ codePoints }) => codePoints).filter((name) => /1F3F[B-F]/.test(name));
      assertEquals(toned, ["1F3FB", "1F3FC", "1F3FD", "1F3FE", "1F3FF"]);
      const bytes = 32 * 32 * 3;
      const texts = [train, test].flatMap(({ pixels, info }) =>
        Array.from({ length: info.count }, (_, n) => pixels.subarray(n * bytes, (n + 1) * bytes).join())
      );
      assertEquals(new Set(texts).size, EMOJI.counts.all);
    });
  },
});
