import type { InputArtifact } from "../engine/contract/stage.ts";
import { refuse } from "../science/formats/format_error.ts";
import { decodePng } from "../science/formats/png_decoder.ts";
import { decodeText, fileOf, readBytes } from "./record.ts";

/** Artifact of type `picture`: `picture.png` or `picture.svg`, and `caption.txt` if it has a caption. */
const [NAMES, CAPTION_FILE] = [["picture.png", "picture.svg"], "caption.txt"] as const;
/** A page has room for several pictures of this size. */
const MAX_BYTES = 4 << 20;
const MAX_CAPTION = 2_000;

/** The root element of a drawing begins within so many characters. */
const MOST_BEFORE = 1 << 16;
/** Matches the start of an SVG up to its root element: a declaration, comments and a document type. */
const SVG_START = /^\uFEFF?(?:\s|<\?[^>]*\?>|<!--(?:(?!-->)[\s\S])*-->|<!DOCTYPE[^[>]*(?:\[[^\]]*\]\s*)?>)*<svg[\s>]/;

/**
 * Returns the name of the picture's file and its caption, empty if there is none. A drawing may contain anything: pages
 * show it as an image, in which a browser runs no script and loads nothing.
 *
 * @throws FormatError when there is no picture, or more than one; when it is damaged, too large or not of its format
 */
export async function readPicture(
  artifact: Pick<InputArtifact, "files" | "read" | "readText">,
): Promise<{ readonly path: string; readonly caption: string }> {
  const { files } = artifact;
  const [path = NAMES[0], other] = NAMES.filter((name) => files.some((file) => file.path === name));
  if (other !== undefined) refuse("picture", NAMES.join(" and "), "one of them");
  const { size } = fileOf(artifact, path);
  if (size > MAX_BYTES) refuse(path, `${size} bytes`, `at most ${MAX_BYTES}`);
  const bytes = await readBytes(artifact, path);
  if (path === "picture.png") decodePng(bytes);
  else if (!SVG_START.test(decodeText(path, bytes).slice(0, MOST_BEFORE))) {
    refuse(path, "text that does not begin with <svg>", "an SVG");
  }
  const about = files.find((file) => file.path === CAPTION_FILE);
  if (about === undefined) return { path, caption: "" };
  // UTF-8 takes at most three bytes for each UTF-16 unit.
  const mayFit = about.size <= 3 * MAX_CAPTION;
  const caption = mayFit ? decodeText(CAPTION_FILE, await artifact.read(CAPTION_FILE)).trim() : "";
  if (!mayFit || caption.length > MAX_CAPTION) {
    refuse(CAPTION_FILE, `${about.size} bytes`, `at most ${MAX_CAPTION} characters`);
  }
  return { path, caption };
}

export { readPicture as validate };
