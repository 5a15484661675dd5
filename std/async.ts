// @ts-types="./async.d.ts"
export { abortable } from "deno-std/async/abortable.js";
export { delay } from "deno-std/async/delay.js";
