/** A stage's id as one name of a file; ids have no +, but for values of a matrix, which come after every slash. */
export function fileNameOf(stageId: string): string {
  return stageId.replaceAll("/", "+");
}
