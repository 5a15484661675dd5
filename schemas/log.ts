/** The curve of a stage: what it reports of itself, as an artifact of type `log`. */

/** The file of an artifact of type `log`: one JSON line for each logged step. */
export const LOG_FILE = "log.jsonl";

/** The output in which a stage that runs user code has its curve, if it reports figures. The engine writes it. */
export const CURVE_PORT = "log";

/** Kinds, as records of results name them, of stages that are the user's own program or code. */
export const GUEST_KINDS: ReadonlySet<string> = new Set(["custom", "command"]);
