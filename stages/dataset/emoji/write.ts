import { EMOJI_CATEGORIES } from "../../../artifacts/class_names.ts";
import { join } from "node:path";
import { decodePng } from "../../../formats/png.ts";
import type { OutputArtifact } from "../../../contract/stage.ts";
import { writeImages } from "../../../artifacts/images.ts";
import type { WriteDataset } from "../context.ts";
import { splitByHash } from "../hash_split.ts";
import { DEFAULT_EMOJI_SIZE, DEFAULT_EMOJI_TEST_COUNT, EMOJI_PACKAGE } from "./facts.ts";
import { cutCells, firstOfEachPicture, parseEmoji } from "./sheet.ts";

/** Google's emoji on white, with their categories, mixed by the hash of their code points. */
export const write: WriteDataset = async ({ params, outputs, packages }) => {
  const { size = DEFAULT_EMOJI_SIZE, testCount = DEFAULT_EMOJI_TEST_COUNT, limit, skinTones = false } = params;
  const folder = packages[EMOJI_PACKAGE.name];
  if (folder === undefined) throw new Error("Cannot happen: the package is fetched before the stage starts");
  const all = parseEmoji(JSON.parse(await Deno.readTextFile(join(folder, "emoji.json"))));
  const sheet = decodePng(await Deno.readFile(join(folder, "img", "google", "sheets-clean", `${size}.png`)));
  // The same picture in both splits would make the test images known ones.
  const emoji = firstOfEachPicture(all, sheet, size);
  // Variants stay with their emoji: in the other split they would be almost the same image.
  const splits = splitByHash(emoji.map(({ codePoints }) => codePoints), { testCount, limit });

  const writeSplit = async (output: OutputArtifact, split: string, indices: readonly number[]) => {
    const images = indices.map((index) => emoji[index]!).flatMap(({ category, cells }) =>
      (skinTones ? cells : cells.slice(0, 1)).map((cell) => ({ category, cell }))
    );
    const { name, version } = EMOJI_PACKAGE;
    await writeImages(output, {
      info: {
        ...{ count: images.length, height: size, width: size, channels: 3, classes: EMOJI_CATEGORIES.length },
        source: { name: `npm/${name}`, version, split, classNames: EMOJI_CATEGORIES },
      },
      pixels: cutCells(sheet, images.map(({ cell }) => cell), size),
      labels: Uint8Array.from(images, ({ category }) => EMOJI_CATEGORIES.indexOf(category)),
      picture: "preview.png",
    });
  };

  await writeSplit(outputs.train, "train", splits.train);
  await writeSplit(outputs.test, "test", splits.test);
};
