import { resolve } from "node:path";
import { z } from "zod";
import { defineKind } from "../../engine/contract/stage.ts";
import { externalFile } from "../../schemas/roles.ts";
import { countImages } from "../dataset/folders.ts";

export const imagesKind = defineKind({
  kind: "images",
  version: 1,
  entry: import.meta.resolve("./run.ts"),
  summary: "Read images that another program drew, as they are: a folder or an npz",
  params: z.strictObject({
    path: externalFile(
      z.string().min(1).describe("Folder of PNG and JPEG files, or npz with arr_0, uint8 [N, H, W, C]"),
    ),
    size: z.int().min(4).max(1_024).optional().describe(
      "Cut the middle square out of each image and resize it to this side; default: images stay as they are",
    ),
    channels: z.union([z.literal(1), z.literal(3)]).default(3).describe("1 for grey, 3 for RGB"),
  }),
  inputs: {},
  outputs: {
    images: { type: "images", description: "All images, in the order of their paths or of the array" },
  },
  check({ path, channels }, _inputs, _own, folder) {
    const count = folder === undefined ? undefined : countImages(resolve(folder, path));
    const none = {
      ...{ param: ["path"], message: "there is no PNG or JPEG file in the folder" },
      ...{ got: path, fix: "correct the path" },
    };
    return {
      problems: count === 0 ? [none] : [],
      facts: { images: count === undefined ? { channels } : { channels, count } },
    };
  },
});
