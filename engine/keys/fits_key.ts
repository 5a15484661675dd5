import type { ResultManifest } from "../../schemas/records.ts";
import { artifactDigest, fitsIdentity, recipeKeyOf, resolvedKeyOf } from "./keys.ts";

/** Whether a manifest follows from its own ingredients and files: a key stands for them and for nothing else. */
export function fitsItsKey(manifest: ResultManifest, key: string): boolean {
  const { resolvedKey, localKey, ingredients, outputs } = manifest;
  const { inputs, ...local } = ingredients;
  try {
    return resolvedKey === key && recipeKeyOf(local, {}).localKey === localKey &&
      resolvedKeyOf(localKey, inputs) === key && fitsIdentity(manifest) &&
      Object.values(outputs).every(({ type, digest, files }) => artifactDigest(type, files) === digest);
  } catch {
    // Values that no key can be made of, such as one nested too deep, were never a stage's.
    return false;
  }
}
