import type { StageContext, StageEnd } from "../../../../engine/contract/stage.ts";

/**
 * Writes the definitions that the stage received, each with the names of its functions, and the content of its inputs.
 */
export default async function run(
  { params, inputs, outputs, definitions, progress }: StageContext,
): Promise<StageEnd | void> {
  const read = Object.values(inputs).flat().filter((input) => input !== undefined);
  const given = definitions.map(({ definition, ...own }) => ({
    ...own,
    has: Object.keys(definition as object).sort(),
  }));
  const { steps, stopAt } = params as Readonly<Record<string, unknown>>;
  if (steps !== undefined) {
    const from = (await progress.latest())?.step ?? 0;
    await progress.save(Math.max(from, 1), { state: new Uint8Array() });
    if (stopAt !== 0) return { status: "interrupted", step: 1 };
  }
  const texts = await Promise.all(read.map((input) => input.readText("given.json")));
  const { stopAt: _, device: __, ...told } = params as Readonly<Record<string, unknown>>;
  await outputs["out"]!.write(
    "given.json",
    JSON.stringify({ params: told, given, read: texts.map((one) => JSON.parse(one)) }),
  );
}
