/**
 * The built-in kinds alone: where a pipeline reads files of a package, a run with nothing to do asks the kind where these
 * are, and needs nothing else of the engine.
 *
 * @module
 */

export { loadKinds } from "./stages/load_kinds.ts";
