import type { Command } from "@commander-js/extra-typings";
import type { BuiltinKinds } from "noiseline";

/** What commands work with besides their arguments. */
export interface CliSettings {
  readonly kinds: BuiltinKinds;
}

/** Any command, whatever its options; Commander's types differ with each option. */
// deno-lint-ignore no-explicit-any
export type AnyCommand = Command<any, any, any>;
