import { relative, resolve } from "node:path";
import { isRecord } from "../source/tree.ts";

/** Texts that start with `./` or `../` are paths from the folder of the file that they stand in. */
export function rebase(value: unknown, folder: string): unknown {
  if (folder === "") return value;
  if (typeof value === "string") {
    if (!/^\.{1,2}\//.test(value)) return value;
    const moved = relative(".", resolve(folder, value)).replaceAll("\\", "/");
    return moved.startsWith("../") ? moved : `./${moved}`;
  }
  if (Array.isArray(value)) return value.map((each) => rebase(each, folder));
  if (!isRecord(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, rebase(each, folder)]));
}
