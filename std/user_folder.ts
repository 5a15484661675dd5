import { lstatSync } from "node:fs";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import process from "node:process";

/** Variables that say where the user's cache is. */
export const FOLDER_VARIABLES = ["XDG_CACHE_HOME", "HOME"] as const;

/** Where this user's settings lie: no project, cache or stage can write there. */
export function configFolder(): string {
  const set = process.env["XDG_CONFIG_HOME"] ?? "";
  return join(isAbsolute(set) ? set : join(homedir(), ".config"), "noiseline");
}

/**
 * A folder of this user's cache, outside of any project so that all share it. A variable that is no absolute path counts
 * as not set, as the XDG Base Directory Specification says.
 */
export function userFolder(name: string): string {
  const [cache, home] = FOLDER_VARIABLES.map((name) => [process.env[name] ?? ""].find(isAbsolute));
  // A worker may read these variables, but not ask the system whose home is where.
  return join(cache ?? join(home ?? homedir(), ".cache"), "noiseline", name);
}

/**
 * Whether a file or folder is this user's, with no other who may write to it: a cache may be on a shared disk, and what is
 * run or believed must not be whoever's. What is absent or a link is not.
 */
export function isOwn(path: string): boolean {
  try {
    const file = lstatSync(path);
    const uid = process.getuid?.() ?? file.uid;
    // Modes of Windows say nothing of others.
    const isShared = process.platform !== "win32" && (file.mode & 0o022) !== 0;
    return !file.isSymbolicLink() && file.uid === uid && !isShared;
  } catch {
    return false;
  }
}
