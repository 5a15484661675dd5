import { dirname, resolve } from "node:path";
import { shellWord } from "../diagnostic/format.ts";
import { findStoreRoot } from "../store/store.ts";
import type { Pipeline } from "./pipeline.ts";

/** The parts of the user's invocation that a printed command repeats. */
interface Invocation extends Partial<Pick<Pipeline, "file" | "profiles" | "overrides">> {
  /** The store, which is named if it is not the default one. */
  readonly store?: { readonly root: string } | undefined;
}

/**
 * Returns a command to print: the user's own invocation with another command's name, and with all that decides which
 * stages it means. A command that leaves out a `--set` would compute something else.
 * @param given.overrides those of a record may have profiles among them, as `--profile NAME`
 * @param more further words
 */
export function commandFor(name: string, given: Invocation, ...more: readonly string[]): string {
  const { file, profiles = [], overrides = [], store } = given;
  const home = () => findStoreRoot(file === undefined ? Deno.cwd() : dirname(resolve(file)));
  const isDefault = store === undefined || store.root === home();
  const options = [...profiles.map((one) => `--profile ${one}`), ...overrides].flatMap((one) =>
    one.startsWith("--profile ") ? ["--profile", one.slice("--profile ".length)] : ["--set", one]
  );
  const words = [...file === undefined ? [] : [file], ...options, ...isDefault ? [] : ["--store", store.root], ...more];
  return ["deno task", name, ...words.map(shellWord)].join(" ");
}
