/** The built-in kinds of stage. Importing this module loads neither a tensor engine nor a file format. */
import type { BuiltinKind } from "../engine/contract/stage.ts";
import { autoencoderKind } from "./autoencoder/kind.ts";
import { classifierKind } from "./classifier/kind.ts";
import { commandKind } from "./command/kind.ts";
import { datasetKind } from "./dataset/kind.ts";
import { decodeKind } from "./decode/kind.ts";
import { demoKind } from "./demo/kind.ts";
import { encodeKind } from "./encode/kind.ts";
import { evaluateKind } from "./evaluate/kind.ts";
import { exportKind } from "./export/kind.ts";
import { featuresKind } from "./features/kind.ts";
import { imagesKind } from "./images/kind.ts";
import { importKind } from "./import/kind.ts";
import { inpaintKind } from "./inpaint/kind.ts";
import { interpolateKind } from "./interpolate/kind.ts";
import { neighboursKind } from "./neighbours/kind.ts";
import { sampleKind } from "./sample/kind.ts";
import { scheduleKind } from "./schedule/kind.ts";
import { scoreKind } from "./score/kind.ts";
import { selectKind } from "./select/kind.ts";
import { statisticsKind } from "./statistics/kind.ts";
import { trainKind } from "./train/kind.ts";

/**
 * The built-in kinds by their name in `uses`. Each entry's own types are erased: the engine validates params before it
 * passes them.
 */
export const BUILTIN_KINDS: Readonly<Record<string, BuiltinKind>> = Object.fromEntries([
  datasetKind,
  imagesKind,
  scheduleKind,
  autoencoderKind,
  encodeKind,
  trainKind,
  evaluateKind,
  sampleKind,
  decodeKind,
  interpolateKind,
  inpaintKind,
  neighboursKind,
  classifierKind,
  featuresKind,
  statisticsKind,
  scoreKind,
  selectKind,
  exportKind,
  importKind,
  demoKind,
  commandKind,
].map((kind) => [kind.kind, kind as unknown as BuiltinKind]));
