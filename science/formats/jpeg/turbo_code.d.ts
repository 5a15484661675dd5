/** libjpeg-turbo 2.0 (Independent JPEG Group, libjpeg-turbo project; BSD), without SIMD, as a WASI library. */
export const code: WebAssembly.Module;
