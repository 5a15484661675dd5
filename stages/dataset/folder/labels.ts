/** Labels are stored as bytes. */
const MOST_CLASSES = 256;

export interface FolderLabels {
  /** In code-unit order; the label is the place in this list. */
  readonly classNames: readonly string[];
  /** By image. */
  readonly labels: Uint8Array<ArrayBuffer>;
}

/**
 * Labels from the first sub-folder of each path.
 *
 * @returns undefined where all images lie in the folder itself; a text where the folder has no clear labels
 */
export function labelsOf(paths: readonly string[]): FolderLabels | string | undefined {
  const loose = paths.filter((path) => !path.includes("/"));
  if (loose.length === paths.length) return undefined;
  if (loose.length > 0) {
    const some = loose.slice(0, 5).join(", ");
    return `${loose.length} of ${paths.length} images are not in one of the sub-folders that name the labels: ${some}`;
  }
  const folders = paths.map((path) => path.slice(0, path.indexOf("/")));
  const classNames = [...new Set(folders)].sort();
  if (classNames.length > MOST_CLASSES) {
    return `${classNames.length} sub-folders: at most ${MOST_CLASSES} can be labels`;
  }
  const places = new Map(classNames.map((name, place) => [name, place]));
  return { classNames, labels: Uint8Array.from(folders, (name) => places.get(name)!) };
}
