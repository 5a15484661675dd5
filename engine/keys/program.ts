import { definedOnly } from "../../std/defined_only.ts";
import { UNKNOWN_VERSION } from "../../schemas/command.ts";
import type { Kind, Stage } from "./stage.ts";

/** A module of noiseline's own whose work takes milliseconds, so that it is imported into the engine's process. */
export interface InlineProgram extends Pick<Kind, "entry"> {
  readonly kind: "inline";
}

/** A module that runs in a Deno process of its own, together with the user code that is loaded there. */
export interface ModuleProgram extends Pick<Kind, "entry" | "userCode" | "map" | "permissions" | "browser"> {
  readonly kind: "module";
}

/** A program of the user's, which the params of its stage name; the module checks what the program has written. */
export interface CommandProgram extends Pick<Kind, "entry"> {
  readonly kind: "command";
}

/**
 * The program of an action. The planner decides it, and only the executors (`engine/run/local_executor.ts`) ask which
 * of these it is.
 */
export type Program = InlineProgram | ModuleProgram | CommandProgram;

/** Returns the program of all actions of the stages of a kind. */
export function programOf({ runs, entry, userCode, map, permissions, browser }: Kind): Program {
  if (runs !== undefined) return { kind: runs, entry };
  return definedOnly({ kind: "module" as const, entry, userCode, map, permissions, browser });
}

/** True if a program runs no user code: code that may change what it only reads, and take all memory. */
export function runsOwnCodeOnly(program: Program): boolean {
  return program.kind === "inline" || program.kind === "module" && program.userCode.length === 0;
}

/** True for a stage whose key is not known, because its program has to be granted before it may say its version. */
export function isUnknownProgram({ kind, params }: Pick<Stage, "kind" | "params">): boolean {
  return kind.command !== undefined && params["interpreter"] === UNKNOWN_VERSION;
}
