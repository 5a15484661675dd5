// @ts-types="./async.d.ts"
export { delay } from "deno-std/async/delay.js";
