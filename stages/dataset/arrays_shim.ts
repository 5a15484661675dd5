import { Buffer } from "node:buffer";
import { type ImagesInfo, writeImages } from "../../artifacts/images.ts";
import type { OutputArtifact } from "../../contract/stage.ts";
import { refuse } from "../../formats/format_error.ts";
import type { Normalizer } from "./find_normalizer.ts";
import type { Item } from "./items.ts";

/** Collects bytes in memory, and writes them at the end. */
export function openArraysWriter(output: OutputArtifact, { dtype, ...info }: ImagesInfo & { readonly dtype: string }) {
  if (dtype !== "uint8") refuse("values", dtype, "uint8: others cannot be stored yet");
  if ((info.classes ?? 0) > 256) refuse("labels", `${info.classes} classes`, "at most 256");
  const all: Uint8Array[] = [];
  const labels: number[] = [];
  return Promise.resolve({
    add(values: Item["data"], label: Uint16Array | undefined): Promise<void> {
      all.push(new Uint8Array(values));
      labels.push(...label ?? []);
      return Promise.resolve();
    },
    async finish({ normalizer }: { readonly normalizer?: Normalizer }): Promise<void> {
      if (normalizer !== undefined) refuse("normalize", normalizer.how, "none: it cannot be stored yet");
      await writeImages(output, {
        info: { ...info, count: all.length },
        pixels: new Uint8Array(Buffer.concat(all)),
        labels: info.classes === null ? undefined : Uint8Array.from(labels),
        picture: "preview.png",
      });
    },
  });
}
