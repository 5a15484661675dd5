/**
 * Watches the operations by which a process changes files, kills the process at one, or makes one fail: the system
 * calls themselves are replaced, so that the toolkit needs no code for it. Import this module before any that opens
 * files.
 */
export type FileOperation =
  | "mkdir"
  /** A file is opened to be written, and emptied unless it is a lock. */
  | "write"
  /** Bytes are added at the end of a file. */
  | "append"
  /** Between the two halves of an append. */
  | "half"
  | "fsync"
  | "rename"
  | "copy"
  | "link"
  | "chmod"
  | "remove"
  | "lock";

/** The arguments of an operation other than its path. */
export interface OperationDetail {
  /** The source path of a rename, a copy or a link. */
  readonly from?: string;
  /** The bytes of an append; none for a file that is emptied. */
  readonly bytes?: Uint8Array;
}

/** Called before each operation; may throw to make it fail. */
export type OperationHook = (operation: FileOperation, path: string, detail?: OperationDetail) => void;

let hook: OperationHook | undefined;

/** Watches operations or makes them fail. Pass undefined to stop. */
export function setOperationHook(next: OperationHook | undefined): void {
  hook = next;
}

/** The paths of files that were opened since this module was loaded. */
const paths = new WeakMap<Deno.FsFile, string>();

function announce(file: Deno.FsFile, operation: FileOperation, detail?: OperationDetail): void {
  const path = paths.get(file);
  if (path !== undefined) hook?.(operation, path, detail);
}

const { openSync, mkdirSync, renameSync, copyFileSync, linkSync, chmodSync, removeSync } = Deno;

Object.assign(Deno, {
  openSync(path: string, options: Deno.OpenOptions = {}) {
    if (options.truncate) hook?.("write", path, { bytes: new Uint8Array() });
    else if (options.write) hook?.("write", path);
    const file = openSync(path, options);
    paths.set(file, path);
    return file;
  },
  mkdirSync(path: string, options?: Deno.MkdirOptions) {
    hook?.("mkdir", path);
    mkdirSync(path, options);
  },
  renameSync(from: string, to: string) {
    hook?.("rename", to, { from });
    renameSync(from, to);
  },
  copyFileSync(from: string, to: string) {
    hook?.("copy", to, { from });
    copyFileSync(from, to);
  },
  linkSync(from: string, to: string) {
    hook?.("link", to, { from });
    linkSync(from, to);
  },
  chmodSync(path: string, mode: number) {
    hook?.("chmod", path);
    chmodSync(path, mode);
  },
  removeSync(path: string, options?: Deno.RemoveOptions) {
    hook?.("remove", path);
    removeSync(path, options);
  },
});

const { writeSync, syncSync, sync, truncateSync, lockSync, tryLockSync } = Deno.FsFile.prototype;

Object.assign(Deno.FsFile.prototype, {
  writeSync(this: Deno.FsFile, bytes: Uint8Array) {
    announce(this, "append", { bytes });
    const half = bytes.length >> 1;
    let written = 0;
    // A kill or a full disk can cut a write anywhere; tests try the cut in the middle.
    while (hook !== undefined && written < half) written += writeSync.call(this, bytes.subarray(written, half));
    announce(this, "half");
    return written + writeSync.call(this, bytes.subarray(written));
  },
  syncSync(this: Deno.FsFile) {
    announce(this, "fsync");
    syncSync.call(this);
  },
  async sync(this: Deno.FsFile) {
    announce(this, "fsync");
    await sync.call(this);
  },
  truncateSync(this: Deno.FsFile, length?: number) {
    announce(this, "write", { bytes: new Uint8Array() });
    truncateSync.call(this, length);
  },
  lockSync(this: Deno.FsFile, exclusive?: boolean) {
    announce(this, "lock");
    lockSync.call(this, exclusive);
  },
  tryLockSync(this: Deno.FsFile, exclusive?: boolean) {
    announce(this, "lock");
    return tryLockSync.call(this, exclusive);
  },
});
