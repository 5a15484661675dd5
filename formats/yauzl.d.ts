/** The parts of yauzl that are used. The types of others for it would bring in Node's. */
interface Entry {
  readonly fileName: string;
  /** As the directory of the zip has it. */
  readonly fileNameRaw: { equals(other: Uint8Array): boolean };
  readonly uncompressedSize: number;
  readonly crc32: number;
  readonly relativeOffsetOfLocalHeader: number;
  /** Its upper half is the mode, in zips made on Unix. */
  readonly externalFileAttributes: number;
}

interface Stream extends AsyncIterable<Uint8Array> {
  on(event: "error", heard: () => void): Stream;
}

interface ZipFile {
  /** Where the directory goes on. */
  readonly readEntryCursor: number;
  eachEntry(): AsyncIterable<Entry>;
  openReadStream(entry: Entry, done: (error: Error | null, stream: Stream) => void): void;
}

declare const yauzl: {
  openPromise(path: string): Promise<ZipFile>;
  fromBufferPromise(bytes: Uint8Array): Promise<ZipFile>;
};
export default yauzl;
