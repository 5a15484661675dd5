import type { NpmExternal } from "../../../contract/stage.ts";

/** Google's Noto emoji, cut from sheets; a test compares this with the lock file. */
export const EMOJI_PACKAGE: NpmExternal = {
  name: "emoji-datasource-google",
  version: "16.0.0",
  integrity: "sha512-ZRexfzs7MVoLnmzZmNsO4TKhnAJp5D++Vm6PpUpH/jEQQlemp3l88CjZ+DoZ2faM9R4QxZkOPJCoT8DlPhfQ3A==",
  files: true,
};

/**
 * Emoji that are not a variant of another in skin tone and have a picture of their own: of 1,911, fourteen look exactly
 * like another, such as the flags of Norway and of Bouvet Island.
 */
export const EMOJI_COUNT = 1_897;

/** Sides that the package has sheets for. */
export const EMOJI_SIZES: readonly number[] = [16, 20, 32, 64];
export const DEFAULT_EMOJI_SIZE = 32;

/** Emoji held out where `testCount` does not say otherwise: a tenth. */
export const DEFAULT_EMOJI_TEST_COUNT = 189;
