import { assertEquals } from "@std/assert";
import type { Metrics } from "../../../artifacts/metrics.ts";
import { openImagesWriter } from "../../../artifacts/image_files.ts";
import { folderArtifact, openInput, openOutput } from "../../../engine/process/context.ts";
import { classifierKind, evaluateKind, scoreKind } from "../../support/builtin_kinds.ts";
import { runStage } from "../../support/stage_context.ts";
import { withFolder } from "./small_world.ts";

/** Writes eight flat images of each class, at levels about that of its name; their record may leave the names out. */
async function setOf(folder: string, names: readonly string[], isNamed = true) {
  const levels: Readonly<Record<string, number>> = { cat: 10, dog: 90, eel: 200 };
  const place = await Deno.makeTempDir({ dir: folder });
  const count = 8 * names.length;
  const source = isNamed ? { classNames: names } : {};
  const info = { count, height: 1, width: 1, channels: 1, classes: names.length, source };
  using writer = openImagesWriter(openOutput(place), info);
  const labels = Array.from({ length: count }, (_, i) => i % names.length);
  await writer.add(
    Uint8Array.from(labels, (label, i) => levels[names[label]!]! + Math.floor(i / names.length)),
    labels,
  );
  await writer.finish();
  return openInput(folderArtifact(place, "images"));
}

Deno.test("perClass compares classes of the same name, whatever their numbers, and says where no name is known", async () => {
  await withFolder(async (folder) => {
    const real = await setOf(folder, ["cat", "dog", "eel"]);
    const scores = async (names: readonly string[], isNamed?: boolean) => {
      const fake = await setOf(folder, names, isNamed);
      const { outputs } = await runStage(folder, scoreKind, {
        params: { fd: false, perClass: true },
        inputs: { real, fake },
      });
      const { metrics }: Metrics = JSON.parse(await outputs["metrics"]!.readText("metrics.json"));
      return metrics.map(({ label, value, note }) => [label, value < 1e-9, note !== undefined]);
    };
    assertEquals(await scores(["eel", "cat"]), [["cat", true, false], ["eel", true, false]]);
    assertEquals(await scores(["dog", "eel", "cat"]), ["cat", "dog", "eel"].map((name) => [name, true, false]));
    assertEquals(await scores(["dog", "cat"], false), [["cat", false, true], ["dog", false, true]]);
  });
});

Deno.test("perClass of sets without a common class names the classes of both", async () => {
  await withFolder(async (folder) => {
    const inputs = { real: await setOf(folder, ["cat", "dog"]), fake: await setOf(folder, ["eel"]) };
    const why = "the sets share no class: the real ones are cat, dog; the fake ones eel";
    const said: unknown[] = [];
    await runStage(folder, scoreKind, { params: { perClass: true }, inputs, onSaid: (event) => said.push(event) });
    assertEquals(said.filter((event) => JSON.stringify(event).includes(why)).length, 1);
    const { end } = await runStage(folder, scoreKind, { params: { fd: false, perClass: true }, inputs });
    assertEquals(end?.status === "failed" && end.message, why);
  });
});

Deno.test("labels of other classes are refused where a network was trained on their numbers", () => {
  const images = (classNames?: string[]) => ({
    ...{ height: 8, width: 8, channels: 1, count: 100, classes: 2 },
    ...(classNames && { classNames }),
  });
  const problems = (own: string[] | undefined, test: string[] | undefined, classes: number | null = 2) =>
    [
      ...classifierKind.check!(classifierKind.params.parse({}), { images: images(own), test: images(test) }).problems,
      ...evaluateKind.check!(evaluateKind.params.parse({}), {
        checkpoint: { ...images(own), classes },
        images: images(test),
      }).problems,
    ].map(({ message, got, wanted }) => [message.replace(/.*: /, ""), got, wanted].join(" "));
  assertEquals(problems(["cat", "dog"], ["cat", "dog"]), []);
  assertEquals(problems(["cat", "dog"], ["cat"]), []);
  assertEquals(problems(["cat", "dog"], undefined), []);
  assertEquals(problems(undefined, ["cat", "dog"]), []);
  assertEquals(problems(["cat", "dog"], ["cat", "eel"]), Array(2).fill('label 1 "eel" "dog"'));
  assertEquals(problems(["cat", "dog"], ["dog", "eel"], null), ['label 0 "dog" "cat"']);
});
