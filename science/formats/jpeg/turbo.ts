import { refuse } from "../format_error.ts";
import { code } from "./turbo_code.js";

/** The functions of libjpeg-turbo's `turbojpeg.h` that are used. Pointers are addresses in its memory. */
interface Turbo {
  readonly memory: WebAssembly.Memory;
  malloc(bytes: number): number;
  free(address: number): void;
  tjInitDecompress(): number;
  tjDestroy(handle: number): number;
  tjDecompress2(handle: number, ...of: number[]): number;
}

/** `TJPF_RGB` and `TJPF_CMYK`. */
const FORMATS = { 3: 0, 4: 11 } as const;

/** A decoder whose memory has grown beyond this is not kept: WebAssembly's memory never shrinks. */
const KEPT_BYTES = 64 << 20;

let kept: Turbo | undefined;

function start(): Turbo {
  const ok = () => 0;
  const fail = () => refuse("JPEG", "a damaged file", "a JPEG image");
  // libjpeg-turbo reports an error by longjmp, which throws here and leaves this decoder unusable.
  const env = { setjmp: ok, longjmp: fail };
  // The library reads no environment variables, and does not print.
  const system = { environ_sizes_get: ok, environ_get: ok, fd_close: ok, fd_seek: ok, fd_write: ok, proc_exit: fail };
  return new WebAssembly.Instance(code, { env, wasi_snapshot_preview1: system }).exports as unknown as Turbo;
}

/**
 * Decodes a JPEG of known dimensions with libjpeg-turbo and its defaults, as Pillow and OpenCV do: the accurate inverse
 * transform, chroma interpolated.
 *
 * @param channels 3 gives RGB, 4 the CMYK of the file
 * @throws FormatError when the library reports any problem, or needs more memory than WebAssembly has
 */
export function decompress(
  jpeg: Uint8Array,
  { width, height, channels }: { readonly width: number; readonly height: number; readonly channels: 3 | 4 },
): Uint8Array<ArrayBuffer> {
  const turbo = kept ?? start();
  kept = undefined;
  const size = width * height * channels;
  const [input, output, handle] = [turbo.malloc(jpeg.length), turbo.malloc(size), turbo.tjInitDecompress()];
  const given = input && output && handle;
  if (given) new Uint8Array(turbo.memory.buffer).set(jpeg, input);
  const pitch = width * channels;
  const status = given &&
    turbo.tjDecompress2(handle, input, jpeg.length, output, width, pitch, height, FORMATS[channels], 0);
  if (!given || status !== 0) {
    const got = given ? "a damaged file" : `${width} x ${height} pixels, more than there is memory for`;
    refuse("JPEG", got, "a JPEG image");
  }
  const pixels = new Uint8Array(turbo.memory.buffer, output, size).slice();
  turbo.tjDestroy(handle);
  turbo.free(input);
  turbo.free(output);
  if (turbo.memory.buffer.byteLength <= KEPT_BYTES) kept = turbo;
  return pixels;
}
