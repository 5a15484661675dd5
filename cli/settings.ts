import type { Command } from "@commander-js/extra-typings";
import type { BuiltinKinds } from "noiseline/core";

/** What commands work with besides their arguments. */
export interface CliSettings {
  /** Commands that find nothing to do never load the kinds. */
  readonly loadKinds: () => Promise<BuiltinKinds>;
  /** Files of kinds that do not come with the toolkit. */
  readonly kindFiles?: readonly string[];
}

/** Any command, whatever its options; Commander's types differ with each option. */
// deno-lint-ignore no-explicit-any
export type AnyCommand = Command<any, any, any>;
