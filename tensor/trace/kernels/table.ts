import { CONV } from "./conv.ts";
import { ELEMENTWISE } from "./elementwise.ts";
import { POOL } from "./pool.ts";
import { RANDOM } from "./random.ts";
import { REDUCE } from "./reduce.ts";
import { SHAPE } from "./shape.ts";
import type { TranslationTable } from "./translation.ts";

/** Every TF.js kernel that can be translated. */
export const TRANSLATIONS: TranslationTable = { ...ELEMENTWISE, ...SHAPE, ...REDUCE, ...CONV, ...POOL, ...RANDOM };
