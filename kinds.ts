/**
 * The built-in kinds alone: where a pipeline reads files of a package, a run with nothing to do asks its kinds where these
 * are, and needs nothing else of the engine.
 *
 * @module
 */

export { BUILTIN_KINDS } from "./stages/mod.ts";
