import { FormatError } from "./format_error.ts";

/** Fill an array with the bytes of a file from `offset` on. @throws FormatError when there are not as many */
export async function readAt(file: Deno.FsFile, offset: number, into: Uint8Array): Promise<void> {
  await file.seek(offset, Deno.SeekMode.Start);
  for (let done = 0; done < into.length;) {
    const got = await file.read(into.subarray(done));
    if (got === null) {
      throw new FormatError("file", { got: `${offset + done} bytes`, wanted: `${offset + into.length}` });
    }
    done += got;
  }
}
