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

let isAnnouncing = false;

/** Calls the hook; what the hook itself does to files is not announced. */
function announce(operation: FileOperation, path: string | undefined, detail?: OperationDetail): void {
  if (path === undefined || isAnnouncing) return;
  isAnnouncing = true;
  try {
    hook?.(operation, path, detail);
  } finally {
    isAnnouncing = false;
  }
}

const { openSync, mkdirSync, renameSync, copyFileSync, linkSync, chmodSync, removeSync } = Deno;

Object.assign(Deno, {
  openSync(path: string, options?: Deno.OpenOptions) {
    if (options?.truncate) announce("write", path, { bytes: new Uint8Array() });
    else if (options?.write) announce("write", path);
    const file = openSync(path, options);
    paths.set(file, path);
    return file;
  },
  mkdirSync(path: string, options?: Deno.MkdirOptions) {
    announce("mkdir", path);
    mkdirSync(path, options);
  },
  renameSync(from: string, to: string) {
    announce("rename", to, { from });
    renameSync(from, to);
  },
  copyFileSync(from: string, to: string) {
    announce("copy", to, { from });
    copyFileSync(from, to);
  },
  linkSync(from: string, to: string) {
    announce("link", to, { from });
    linkSync(from, to);
  },
  chmodSync(path: string, mode: number) {
    announce("chmod", path);
    chmodSync(path, mode);
  },
  removeSync(path: string, options?: Deno.RemoveOptions) {
    announce("remove", path);
    removeSync(path, options);
  },
});

const { writeSync, syncSync, sync, truncateSync, lockSync, tryLockSync } = Deno.FsFile.prototype;

Object.assign(Deno.FsFile.prototype, {
  writeSync(this: Deno.FsFile, bytes: Uint8Array) {
    // In two halves, what a hook records would be torn apart by what another process records at the same time.
    if (isAnnouncing) return writeSync.call(this, bytes);
    announce("append", paths.get(this), { bytes });
    const half = bytes.length >> 1;
    let written = 0;
    // A kill or a full disk can cut a write anywhere; tests try the cut in the middle.
    while (hook !== undefined && written < half) written += writeSync.call(this, bytes.subarray(written, half));
    announce("half", paths.get(this));
    return written + writeSync.call(this, bytes.subarray(written));
  },
  syncSync(this: Deno.FsFile) {
    announce("fsync", paths.get(this));
    syncSync.call(this);
  },
  async sync(this: Deno.FsFile) {
    announce("fsync", paths.get(this));
    await sync.call(this);
  },
  truncateSync(this: Deno.FsFile, length?: number) {
    announce("write", paths.get(this), { bytes: new Uint8Array() });
    truncateSync.call(this, length);
  },
  lockSync(this: Deno.FsFile, exclusive?: boolean) {
    announce("lock", paths.get(this));
    lockSync.call(this, exclusive);
  },
  tryLockSync(this: Deno.FsFile, exclusive?: boolean) {
    announce("lock", paths.get(this));
    return tryLockSync.call(this, exclusive);
  },
});
