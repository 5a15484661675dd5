/** The name of a file without its folders, whichever way they are separated. */
export function fileName(path: string): string {
  return path.split(/[\\/]/).at(-1)!;
}
