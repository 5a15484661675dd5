import { assertEquals } from "@std/assert";
import type { Action } from "../../../../engine/keys/action.ts";
import { keysOfActions } from "../../../../engine/keys/keys.ts";
import { fromBuiltin } from "../../../../engine/pipeline/load/kinds.ts";
import { autoencoderKind, datasetKind, featuresKind, scoreKind, trainKind } from "../../../support/builtin_kinds.ts";

Deno.test("a revision changes the keys of the params whose results it changed, and no others", () => {
  const versionOf = (kind: Parameters<typeof fromBuiltin>[0], params: object, inputs = {}) => {
    const stage = { id: "a", kind: fromBuiltin(kind), params, seed: 0, inputs };
    return keysOfActions([{ id: "a", stage } as unknown as Action], new Map()).get("a")!.local.version;
  };
  const [features, train, autoencoder] = [featuresKind, trainKind, autoencoderKind].map(
    (kind) => (params: object, inputs?: object) => versionOf(kind as never, params, inputs),
  );
  const plain = [featuresKind, trainKind, autoencoderKind].map(({ kind, version }) => `${kind}/${version}`);
  assertEquals([features!({ extractor: "classifier" }), features!({ extractor: "inception-2015-12-05" })], [
    plain[0],
    plain[0],
  ]);
  assertEquals(features!({ extractor: "pixels" }), `${plain[0]}.1`);
  for (const [mean, wanted] of [[[0.5], `${plain[0]}.1`], [[0.5, 0.5, 0.5], plain[0]]] as const) {
    assertEquals(features!({ extractor: "onnx", preprocess: { mean } }), wanted);
  }
  const score = (perClass: boolean) => versionOf(scoreKind as never, { perClass });
  assertEquals([score(true), score(false)], [`score/${scoreKind.version}.1`, `score/${scoreKind.version}`]);
  assertEquals([train!({ variance: "fixedlarge" }), train!({ variance: "learned" })], [plain[1], `${plain[1]}.1`]);
  assertEquals(
    [autoencoder!({}), autoencoder!({ lpips: "a" }), autoencoder!({}, { features: [] })],
    [plain[2], `${plain[2]}.1`, `${plain[2]}.1`],
  );
  const dataset = (resize?: object, size: unknown = 32) => versionOf(datasetKind as never, { resize, size });
  const plainDataset = `dataset/${datasetKind.version}`;
  assertEquals(dataset({ name: "bilinear", fit: "stretch" }), plainDataset);
  assertEquals([dataset(), dataset({ name: "lanczos" }), dataset({ name: "bicubic" }, [8, 8])], [
    plainDataset,
    plainDataset,
    plainDataset,
  ]);
  for (
    const resize of [{ name: "adm" }, { name: "area" }, { name: "lanczos", fit: "stretch" }, {
      name: "box",
      fit: "pad",
    }]
  ) {
    assertEquals(dataset(resize), `${plainDataset}.1`);
  }
  assertEquals(dataset({ name: "bicubic" }, [8, 12]), `${plainDataset}.1`);
  const own = { ...fromBuiltin(trainKind as never), version: "train/6 model:abc +augment:def" };
  const stage = { id: "a", kind: own, params: { variance: "learned" }, seed: 0, inputs: {} };
  const keys = keysOfActions([{ id: "a", stage } as unknown as Action], new Map());
  assertEquals(keys.get("a")!.local.version, "train/6.1 model:abc +augment:def");
});
