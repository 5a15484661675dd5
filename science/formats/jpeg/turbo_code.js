// @ts-self-types="./turbo_code.d.ts"
// JavaScript, because TypeScript does not know imports of this phase: WebAssembly that is compiled and not yet started.
// As an import it needs no permission to read the file.
import source code from "@cwasm/jpeg-turbo/jpeg-turbo.wasm";

export { code };
