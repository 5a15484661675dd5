import { join } from "node:path";
import { Grants } from "../../../../engine/run/rights.ts";

/** Returns grants that leave the user's own as they are. */
export function grantsIn(folder: string): Grants {
  return new Grants(folder, join(folder, "grants.json"));
}
