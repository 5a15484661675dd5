/** The parts of yauzl that are used. The types of others for it would bring in Node's. */
interface Entry {
  readonly fileName: string;
  readonly compressionMethod: number;
  readonly compressedSize: number;
  readonly uncompressedSize: number;
  readonly crc32: number;
  /** Its upper half is the mode, in zips made on Unix. */
  readonly externalFileAttributes: number;
}

interface ZipFile {
  eachEntry(): AsyncIterable<Entry>;
  openReadStreamPromise(entry: Entry): Promise<AsyncIterable<Uint8Array>>;
  readLocalFileHeaderPromise(entry: Entry, options: { minimal: true }): Promise<{ fileDataStart: number }>;
}

declare const yauzl: {
  openPromise(path: string): Promise<ZipFile>;
  fromBufferPromise(bytes: Uint8Array): Promise<ZipFile>;
};
export default yauzl;
