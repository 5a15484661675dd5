import { join } from "node:path";
import type { BrokenFile } from "./broken.ts";

export interface FolderListing {
  /** Images, relative to the folder, with `/`, in code-unit order. */
  readonly images: readonly string[];
  readonly broken: readonly BrokenFile[];
  /** Files that are no images and were left out. */
  readonly others: number;
}

const READ = /\.(png|jpe?g)$/i;
/** Images that somebody surely meant to be used; leaving them out in silence would be a smaller data set than asked for. */
const UNREAD = /\.(webp|gif|bmp|tiff?|avif|heic|jxl)$/i;

/**
 * All images below a folder. Links are followed inside of it alone: what lies elsewhere is not the folder's content.
 * Hidden files are left out.
 */
export async function listImages(root: string): Promise<FolderListing> {
  const images: string[] = [];
  const broken: BrokenFile[] = [];
  let others = 0;
  const realRoot = await Deno.realPath(root);

  const visit = async (prefix: string, above: ReadonlySet<string>) => {
    const real = await Deno.realPath(join(root, prefix));
    // A link back up would never end.
    if (above.has(real)) return;
    for await (const entry of Deno.readDir(join(root, prefix))) {
      if (entry.name.startsWith(".")) continue;
      const path = prefix === "" ? entry.name : `${prefix}/${entry.name}`;
      if (entry.isSymlink && !await leadsInside(join(root, path), realRoot)) {
        broken.push({ path, reason: "a link that leads out of the folder, or nowhere" });
        continue;
      }
      const isFolder = entry.isSymlink ? (await Deno.stat(join(root, path))).isDirectory : entry.isDirectory;
      if (isFolder) await visit(path, new Set([...above, real]));
      else if (READ.test(entry.name)) images.push(path);
      else if (UNREAD.test(entry.name)) {
        broken.push({ path, reason: "neither PNG nor JPEG; convert it, or move it elsewhere" });
      } else others++;
    }
  };
  await visit("", new Set());
  // By code units: the order must be the same on every machine.
  images.sort();
  return { images, broken, others };
}

async function leadsInside(link: string, realRoot: string): Promise<boolean> {
  try {
    const target = await Deno.realPath(link);
    return target === realRoot || target.startsWith(`${realRoot}/`);
  } catch {
    return false;
  }
}
