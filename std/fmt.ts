// @ts-types="./fmt.d.ts"
export { format as formatBytes } from "deno-std/fmt/bytes.js";
