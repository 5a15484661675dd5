import { lstatSync } from "node:fs";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import process from "node:process";

/** Variables that locate the user's cache. */
export const FOLDER_VARIABLES = ["XDG_CACHE_HOME", "HOME"] as const;

/** Returns the folder of this user's settings: no project, cache or stage can write there. */
export function configFolder(): string {
  const set = process.env["XDG_CONFIG_HOME"] ?? "";
  return join(isAbsolute(set) ? set : join(homedir(), ".config"), "noiseline");
}

/**
 * Returns a folder of this user's cache, outside of any project so that all share it. A variable that is not an
 * absolute path counts as not set, as the XDG Base Directory Specification says.
 */
export function userFolder(name: string): string {
  const [cache, home] = FOLDER_VARIABLES.map((name) => [process.env[name] ?? ""].find(isAbsolute));
  // A worker may read these variables, but may not ask the system for the user's home.
  return join(cache ?? join(home ?? homedir(), ".cache"), "noiseline", name);
}

/**
 * Returns true if a file or folder belongs to this user and nobody else may write to it: a cache may be on a shared
 * disk, and others must not decide what is run or believed. False for a link, or if nothing is there.
 */
export function isOwn(path: string): boolean {
  try {
    const file = lstatSync(path);
    const uid = process.getuid?.() ?? file.uid;
    // File modes on Windows say nothing about other users.
    const isShared = process.platform !== "win32" && (file.mode & 0o022) !== 0;
    return !file.isSymbolicLink() && file.uid === uid && !isShared;
  } catch {
    return false;
  }
}
