import manifest from "../deno.json" with { type: "json" };

export const VERSION: string = manifest.version;

/** Versions that a run records. */
export const VERSIONS: Readonly<Record<string, string>> = { noiseline: VERSION, deno: Deno.version.deno };
