import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** Returns where the snapshots of a test's file are, also when another file imports it, as `deno task test` does. */
export function snapshotsOf(url: string): { readonly path: string } {
  const file = fileURLToPath(url);
  return { path: join(dirname(file), "__snapshots__", `${basename(file)}.snap`) };
}
