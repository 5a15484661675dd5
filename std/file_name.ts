/** Returns the name of a file without its folders, with either separator. */
export function fileName(path: string): string {
  return path.split(/[\\/]/).at(-1)!;
}
