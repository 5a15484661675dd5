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

/** Reads parts of a file, or of bytes. */
declare class RandomAccessReader {
  _readStreamForRange(start: number, end: number): unknown;
}

declare const yauzl: {
  readonly RandomAccessReader: typeof RandomAccessReader;
  fromRandomAccessReaderPromise(reader: RandomAccessReader, size: number, options: object): Promise<ZipFile>;
  /** Returns what is wrong with the name of a file in an archive: that it leads out of a folder; null if nothing is. */
  validateFileName(name: string): string | null;
};
export default yauzl;
