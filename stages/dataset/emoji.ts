import { createHash } from "node:crypto";
import { join } from "node:path";
import { z } from "zod";
import { EMOJI_CATEGORIES } from "../../artifacts/labels.ts";
import type { ByteImage } from "../../formats/byte_image.ts";
import { decodePng } from "../../formats/png.ts";
import { crop, flatten } from "./pixels.ts";
import { SOURCES } from "./sources.ts";
import { type ReadDataset, splitByHash } from "./split.ts";

const { package: { name, version }, images: { side: SIDE, ...IMAGES }, counts } =
  SOURCES["npm/emoji-datasource-google"];

/** Google's emoji on white, with their categories, mixed by the hash of their code points. */
export const read: ReadDataset = async ({ params, packages }) => {
  const { size = SIDE, testCount = counts.test, limit, skinTones = false } = params;
  const folder = packages[name];
  if (folder === undefined) throw new Error("Cannot happen: the package is fetched before the stage starts");
  const all = parseEmoji(JSON.parse(await Deno.readTextFile(join(folder, "emoji.json"))));
  const sheet = decodePng(await Deno.readFile(join(folder, "img", "google", "sheets-clean", `${size}.png`)));
  // The same picture in both splits would make the test images known ones.
  const emoji = firstOfEachPicture(all, sheet, size);
  // Variants stay with their emoji: in the other split they would be almost the same image.
  const splits = splitByHash(emoji.map(({ codePoints }) => codePoints), { testCount, limit });
  const splitOf = (indices: readonly number[]) => {
    const images = indices.map((index) => emoji[index]!).flatMap(({ category, cells }) =>
      (skinTones ? cells : cells.slice(0, 1)).map((cell) => ({ category, cell }))
    );
    return {
      pixels: cutCells(sheet, images.map(({ cell }) => cell), size),
      labels: Uint8Array.from(images, ({ category }) => EMOJI_CATEGORIES.indexOf(category)),
    };
  };
  return {
    side: size,
    ...IMAGES,
    source: (split) => ({ name: `npm/${name}`, version, split, classNames: EMOJI_CATEGORIES }),
    train: splitOf(splits.train),
    test: splitOf(splits.test),
  };
};

/** A place on the sheet, counted in cells. */
interface Cell {
  readonly column: number;
  readonly row: number;
}

export interface Emoji {
  /** Such as "1F3C3"; every emoji has its own. */
  readonly codePoints: string;
  readonly category: string;
  /** The emoji itself, then its variants in other skin tones. */
  readonly cells: readonly Cell[];
}

const cellSchema = z.object({ sheet_x: z.int().min(0), sheet_y: z.int().min(0), has_img_google: z.boolean() });

const emojiSchema = z.array(cellSchema.extend({
  unified: z.string(),
  category: z.enum(EMOJI_CATEGORIES),
  skin_variations: z.record(z.string(), cellSchema).default({}),
}));

/** Pixels around every cell of a sheet. */
const BORDER = 1;

/** @throws ZodError when it is not the package's `emoji.json` */
export function parseEmoji(json: unknown): Emoji[] {
  const cellOf = ({ sheet_x, sheet_y }: z.output<typeof cellSchema>) => ({ column: sheet_x, row: sheet_y });
  return emojiSchema.parse(json).filter((emoji) => emoji.has_img_google).map((emoji) => ({
    codePoints: emoji.unified,
    category: emoji.category,
    cells: [emoji, ...Object.values(emoji.skin_variations).filter((variant) => variant.has_img_google)].map(cellOf),
  }));
}

/** Cells of a sheet on white. @returns uint8 [N, size, size, 3] row-major */
export function cutCells(sheet: ByteImage, cells: readonly Cell[], size: number): Uint8Array<ArrayBuffer> {
  const { width, height } = sheet;
  const pitch = size + 2 * BORDER;
  const imageBytes = size * size * 3;
  const out = new Uint8Array(cells.length * imageBytes);
  cells.forEach(({ column, row }, index) => {
    const left = column * pitch + BORDER;
    const top = row * pitch + BORDER;
    if (left + size > width || top + size > height) {
      throw new Error(`Cannot happen: cell ${column}, ${row} lies outside a sheet of ${width}x${height}; it is pinned`);
    }
    out.set(flatten(crop(sheet, { left, top, side: size }), 3).data, index * imageBytes);
  });
  return out;
}

/** Emoji in their order, without those that look exactly like an earlier one. */
export function firstOfEachPicture(emoji: readonly Emoji[], sheet: ByteImage, size: number): Emoji[] {
  const seen = new Set<string>();
  return emoji.filter(({ cells }) => {
    const digest = createHash("sha256").update(cutCells(sheet, cells.slice(0, 1), size)).digest("hex");
    if (seen.has(digest)) return false;
    seen.add(digest);
    return true;
  });
}
