import type { StageContext, StageEnd } from "../../../../engine/contract/stage.ts";

interface TinyParams {
  readonly text: string;
  readonly steps?: number;
  readonly fail?: boolean;
}

/** A value that changes the bytes of stages whose text begins with "moody", although it is in no key. */
export const mood = { value: 0 };

/** Promises that stages wait for before they write anything, by the stages' texts. */
export const holds = new Map<string, Promise<void>>();

/**
 * Writes the inputs and the stage's own text, hashed to a few values so that different inputs often give equal bytes:
 * this is what lets a downstream stage stay cached.
 */
export default async function run(
  { params, inputs, outputs, seed, progress, note }: StageContext,
): Promise<StageEnd | void> {
  const { text, steps = 0, fail = false } = params as unknown as TinyParams;
  await holds.get(text);
  if (text === "nothing") return;
  if (fail) return { status: "failed", message: "told to fail", fix: "set fail to false" } as const;
  const read = Object.values(inputs).flat().filter((input) => input !== undefined);
  const texts = await Promise.all(read.map((input) => input.readText("value.txt")));
  let value = seed + steps;
  for (const char of texts.join("|") + text) value = (value * 31 + char.charCodeAt(0)) % 1_000_003;
  if (steps > 0) {
    note(`from ${(await progress.latest())?.step ?? 0}`);
    await progress.save(steps, { "state.txt": new TextEncoder().encode(String(value)) });
  }
  if (text.startsWith("moody")) value += mood.value;
  await outputs["out"]!.write("value.txt", `${text.startsWith("mod") ? value % 2 : value}\n`);
}
