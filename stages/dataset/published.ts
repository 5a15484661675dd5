/** A file as its authors publish it. */
export interface PublishedFile {
  readonly name: string;
  readonly sha256: string;
  readonly bytes: number;
}
