/**
 * The built-in kinds alone, for code that needs nothing else of the engine.
 *
 * @module
 */

export { BUILTIN_KINDS } from "../../stages/mod.ts";
