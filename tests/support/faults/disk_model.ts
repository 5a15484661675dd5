import { basename, dirname, join } from "node:path";
import type { Recorded } from "./arm.ts";

/**
 * Possible states of a disk after a power failure, by the letter of POSIX: content is on disk when its file was
 * flushed, a name when its folder was; all else may be there, in part, or not at all, in any order. Real file systems
 * keep more.
 */
export const SURVIVALS = {
  "all that was not flushed is gone": { names: "flushed", content: "flushed" },
  "names survive and their content is gone": { names: "all", content: "flushed" },
  "names and sizes survive and the content is zeros": { names: "all", content: "zeros" },
  "names survive and the content is torn": { names: "all", content: "torn" },
  "content survives and its names are gone": { names: "flushed", content: "all" },
  "some of it survives, by chance": { names: "chance", content: "chance" },
} as const satisfies Readonly<Record<string, Survival>>;

export interface Survival {
  readonly names: "flushed" | "all" | "chance";
  readonly content: "flushed" | "zeros" | "torn" | "all" | "chance";
}

interface FileNode {
  readonly kind: "file";
  bytes: Uint8Array;
  /** The content that is certainly on disk; undefined before the first flush. */
  flushed: Uint8Array | undefined;
  mtimeMs: number | undefined;
}

interface FolderNode {
  readonly kind: "folder";
  readonly names: Map<string, Node>;
  flushed: Map<string, Node>;
}

type Node = FileNode | FolderNode;

function newFolder(): FolderNode {
  return { kind: "folder", names: new Map(), flushed: new Map() };
}

/** By path: a file to be written, or a folder to be made. */
export type Surviving = ReadonlyMap<string, { readonly bytes: Uint8Array; readonly mtimeMs?: number } | "folder">;

/** Applies recorded operations, and separates the content that is certainly on disk from the rest. */
export class DiskModel {
  readonly #root: string;
  readonly #top = newFolder();

  /** @param root a folder; operations outside of it are left out */
  constructor(root: string) {
    this.#root = root;
  }

  /** Starts from the content of a folder, all of it certainly on disk. */
  load(from: string): void {
    const visit = (folder: FolderNode, place: string) => {
      for (const { name, isDirectory } of Deno.readDirSync(place)) {
        const path = join(place, name);
        if (isDirectory) {
          const next = newFolder();
          visit(next, path);
          folder.names.set(name, next);
        } else {
          const bytes = Deno.readFileSync(path);
          folder.names.set(name, {
            kind: "file",
            bytes,
            flushed: bytes,
            mtimeMs: Deno.lstatSync(path).mtime!.getTime(),
          });
        }
      }
      folder.flushed = new Map(folder.names);
    };
    visit(this.#top, from);
  }

  /** @param mtimeMs modification time of the file after the operation, if it has one */
  apply({ operation, path, from, bytes }: Recorded, mtimeMs: number | undefined): void {
    const parts = this.#parts(path);
    if (parts === undefined) return;
    const content = bytes === undefined ? new Uint8Array() : Uint8Array.fromBase64(bytes);
    switch (operation) {
      case "mkdir":
        this.#makeFolder(parts);
        break;
      case "write":
        if (bytes === undefined && this.#find(parts) !== undefined) break;
        this.#file(parts).bytes = content;
        break;
      case "append": {
        const file = this.#file(parts);
        file.bytes = concat(file.bytes, content);
        break;
      }
      case "fsync": {
        const node = this.#find(parts);
        if (node?.kind === "file") node.flushed = node.bytes;
        else if (node !== undefined) node.flushed = new Map(node.names);
        break;
      }
      case "rename": {
        const source = this.#parts(from!)!;
        const node = this.#find(source)!;
        this.#parent(source).names.delete(basename(from!));
        this.#parent(parts).names.set(basename(path), node);
        break;
      }
      case "copy":
        // Files from outside of the folder, such as the toolkit's lock file, are in no result.
        this.#file(parts).bytes = this.#fileThere(from!)?.bytes ?? new Uint8Array();
        break;
      case "link":
        this.#parent(parts).names.set(basename(path), this.#fileThere(from!)!);
        break;
      case "remove":
        this.#parent(parts).names.delete(basename(path));
        break;
    }
    const node = this.#find(parts);
    if (node?.kind === "file" && mtimeMs !== undefined) node.mtimeMs = mtimeMs;
  }

  /** Returns a state that a power failure may leave now. */
  survive({ names, content }: Survival, random: () => number): Surviving {
    const found = new Map<string, { bytes: Uint8Array; mtimeMs?: number } | "folder">();
    const visit = (folder: FolderNode, place: string) => {
      for (const [name, node] of survivingNames(folder, names, random)) {
        const path = place === "" ? name : `${place}/${name}`;
        if (node.kind === "folder") {
          found.set(path, "folder");
          visit(node, path);
        } else {
          const { mtimeMs } = node;
          found.set(path, {
            bytes: survivingBytes(node, content, random),
            ...(mtimeMs === undefined ? {} : { mtimeMs }),
          });
        }
      }
    };
    visit(this.#top, "");
    return found;
  }

  #parts(path: string): string[] | undefined {
    if (path === this.#root) return [];
    return path.startsWith(`${this.#root}/`) ? path.slice(this.#root.length + 1).split("/") : undefined;
  }

  #find(parts: readonly string[]): Node | undefined {
    let node: Node | undefined = this.#top;
    for (const part of parts) node = node?.kind === "folder" ? node.names.get(part) : undefined;
    return node;
  }

  #parent(parts: readonly string[]): FolderNode {
    const node = this.#find(parts.slice(0, -1));
    if (node?.kind !== "folder") throw new Error(`the record names ${join(...parts)} in a folder that it never made`);
    return node;
  }

  #makeFolder(parts: readonly string[]): void {
    let node = this.#top;
    for (const part of parts) {
      const next = node.names.get(part) ?? newFolder();
      node.names.set(part, next);
      node = next as FolderNode;
    }
  }

  #file(parts: readonly string[]): FileNode {
    const names = this.#parent(parts).names;
    const there = names.get(parts.at(-1)!);
    if (there?.kind === "file") return there;
    const made: FileNode = { kind: "file", bytes: new Uint8Array(), flushed: undefined, mtimeMs: undefined };
    names.set(parts.at(-1)!, made);
    return made;
  }

  #fileThere(path: string): FileNode | undefined {
    const parts = this.#parts(path);
    const node = parts === undefined ? undefined : this.#find(parts);
    return node?.kind === "file" ? node : undefined;
  }
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const joined = new Uint8Array(a.length + b.length);
  joined.set(a);
  joined.set(b, a.length);
  return joined;
}

function survivingNames(
  { names, flushed }: FolderNode,
  how: Survival["names"],
  random: () => number,
): Iterable<[string, Node]> {
  if (how === "flushed") return flushed;
  if (how === "all") return names;
  const all = [...new Set([...flushed.keys(), ...names.keys()])];
  return all.flatMap((name): [string, Node][] => {
    const node = (random() < 0.5 ? flushed : names).get(name);
    return node === undefined ? [] : [[name, node]];
  });
}

function survivingBytes({ bytes, flushed }: FileNode, how: Survival["content"], random: () => number): Uint8Array {
  const sure = flushed ?? new Uint8Array();
  // A file that was appended to keeps its flushed part; a file that was rewritten has lost it.
  const kept = sure.length <= bytes.length && sure.every((byte, index) => byte === bytes[index]) ? sure.length : 0;
  switch (how) {
    case "flushed":
      return sure;
    case "all":
      return bytes;
    case "zeros":
      return concat(bytes.subarray(0, kept), new Uint8Array(bytes.length - kept));
    case "torn":
      return bytes.subarray(0, kept + ((bytes.length - kept) >> 1));
    case "chance":
      return survivingBytes({ bytes, flushed } as FileNode, CONTENTS[Math.floor(random() * CONTENTS.length)]!, random);
  }
}

const CONTENTS = ["flushed", "zeros", "torn", "all"] as const;

/** Writes a surviving state into a folder, with its files made older by `ageMs`. */
export function writeSurviving(root: string, state: Surviving, ageMs: number): void {
  for (const [name, entry] of state) {
    const path = join(root, name);
    if (entry === "folder") {
      Deno.mkdirSync(path, { recursive: true });
      continue;
    }
    Deno.mkdirSync(dirname(path), { recursive: true });
    Deno.writeFileSync(path, entry.bytes);
    const seconds = ((entry.mtimeMs ?? Date.now()) - ageMs) / 1_000;
    Deno.utimeSync(path, seconds, seconds);
  }
}
