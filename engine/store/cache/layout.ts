import type { z } from "zod";
import { sha256Of } from "../reading.ts";
import type { Content } from "./backend.ts";
import { parseJson } from "../records.ts";

/**
 * The version of the layout. Raised when an older noiseline could not read what is stored; old and new content then
 * live beside each other.
 */
export const VERSION = "v1";

/** The folder of all manifests. */
export const RESULTS = `${VERSION}/results`;

/** A file that is written twice, to see whether the first writer wins. */
export const PROBE = `${VERSION}/probe`;

const namesIn = (folder: string) => (key: string) => `${folder}/${key.slice(0, 2)}/${key}`;

/** The name of an object, the content of an artifact's file, by its SHA-256. */
export const objectName = namesIn(`${VERSION}/objects`);

/** The name of the manifest that makes a result exist, by its resolved key; stored after its objects. */
export const resultName = namesIn(RESULTS);

/** The name of the record of the resolved key that a recipe leads to, by its key; stored after the manifest. */
export const recipeName = namesIn(`${VERSION}/recipes`);

/** The name of the claim that says who computes a resolved key now. */
export const claimName = namesIn(`${VERSION}/claims`);

/** Returns bytes, or the UTF-8 of a text, as content to store. */
export function contentOf(content: Uint8Array<ArrayBuffer> | string): Content {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  return { sha256: sha256Of(bytes), size: bytes.length, from: { bytes } };
}

/**
 * Returns a record as it is stored: one line of JSON and one with its SHA-256. Objects are named by their digest,
 * records are not, and one flipped bit in a manifest could serve the wrong bytes under a right key.
 */
export function seal(record: unknown): Uint8Array<ArrayBuffer> {
  const text = JSON.stringify(record);
  return new TextEncoder().encode(`${text}\n${sha256Of(text)}\n`);
}

/** A record that was read: intact, damaged on its way, or intact but not as this version writes records. */
type Unsealed<T> = { readonly record: T } | { readonly problem: "damaged" | "foreign" };

export function unseal<T extends z.ZodType>(content: Uint8Array, schema: T): Unsealed<z.output<T>> {
  const [text, sum, ...rest] = new TextDecoder().decode(content).split("\n");
  if (text === undefined || sum !== sha256Of(text) || rest.length !== 1 || rest[0] !== "") {
    return { problem: "damaged" };
  }
  const record = parseJson(text, schema);
  return record === undefined ? { problem: "foreign" } : { record };
}
