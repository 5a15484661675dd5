import { createHash } from "node:crypto";
import { join } from "node:path";
import { z } from "zod";
import { EMOJI_CATEGORIES } from "../../artifacts/labels.ts";
import { checked } from "../../artifacts/record.ts";
import { type ByteImage, toBytes } from "../../science/formats/byte_image.ts";
import { decodePng } from "../../science/formats/png_decoder.ts";
import { sideOf } from "./params.ts";
import { crop, flatten } from "./pixels.ts";
import { SOURCES } from "./sources.ts";
import { type ReadDataset, splitByHash } from "./split.ts";

const { package: { name, version }, images: { side: SIDE }, counts } = SOURCES["npm/emoji-datasource-google"];

/** Reads Google's emoji on white, with their categories, shuffled by the hash of their code points. */
export const read: ReadDataset = async ({ params, packages }) => {
  const { testCount = counts.test, limit } = params;
  const size = sideOf(params, SIDE);
  // The package is fetched before the stage starts.
  const folder = packages[name]!;
  const all = parseEmoji(JSON.parse(await Deno.readTextFile(join(folder, "emoji.json"))));
  const place = join(folder, "img", "google", "sheets-clean", `${size}.png`);
  const bytes = await Deno.readFile(place);
  const sheet = toBytes(checked(place, () => decodePng(bytes)));
  // If both splits had the same picture, the test images would not be unseen.
  const emoji = firstOfEachPicture(all, sheet, size);
  const splits = splitByHash(emoji.map(({ codePoints }) => codePoints), { testCount, limit });
  const splitOf = (indices: readonly number[]) => {
    const images = indices.map((index) => emoji[index]!);
    return {
      pixels: cutCells(sheet, images.map(({ cell }) => cell), size),
      labels: Uint8Array.from(images, ({ category }) => EMOJI_CATEGORIES.indexOf(category)),
    };
  };
  return {
    source: (split) => ({ name: `npm/${name}`, version, split, classNames: EMOJI_CATEGORIES }),
    train: splitOf(splits.train),
    test: splitOf(splits.test),
  };
};

const emojiSchema = z.array(z.object({
  unified: z.string(),
  category: z.enum(EMOJI_CATEGORIES),
  sheet_x: z.int().min(0),
  sheet_y: z.int().min(0),
  has_img_google: z.boolean(),
}));

/** Pixels of border around every cell of a sheet. */
const BORDER = 1;

type Emoji = Pick<ReturnType<typeof parseEmoji>[number], "cell">;

/** Returns the emoji that Google has pictures of. @throws ZodError when the JSON is not the package's `emoji.json` */
export function parseEmoji(json: unknown) {
  return emojiSchema.parse(json).filter((emoji) => emoji.has_img_google).map((emoji) => ({
    // For example "1F3C3"; unique for every emoji.
    codePoints: emoji.unified,
    category: emoji.category,
    // Place on the sheet, counted in cells.
    cell: { column: emoji.sheet_x, row: emoji.sheet_y },
  }));
}

/** Cuts cells out of a sheet, on white. @returns uint8 [N, size, size, 3] row-major */
export function cutCells(sheet: ByteImage, cells: readonly Emoji["cell"][], size: number): Uint8Array<ArrayBuffer> {
  const pitch = size + 2 * BORDER;
  const imageBytes = size * size * 3;
  const out = new Uint8Array(cells.length * imageBytes);
  cells.forEach(({ column, row }, index) => {
    const place = { left: column * pitch + BORDER, top: row * pitch + BORDER, width: size, height: size };
    out.set(flatten(crop(sheet, place), 3).data, index * imageBytes);
  });
  return out;
}

/** Returns the emoji in their order, without those whose picture equals an earlier one. */
export function firstOfEachPicture<E extends Emoji>(emoji: readonly E[], sheet: ByteImage, size: number): E[] {
  const seen = new Set<string>();
  return emoji.filter(({ cell }) => {
    const digest = createHash("sha256").update(cutCells(sheet, [cell], size)).digest("hex");
    if (seen.has(digest)) return false;
    seen.add(digest);
    return true;
  });
}
