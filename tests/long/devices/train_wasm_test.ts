import { wasmNumerics } from "../../../science/tensor/wasm/describe.ts";
import { checkSameBytes } from "../../unit/stages/same_bytes.ts";

Deno.test("train gives the same bytes straight, stopped and resumed, and extended, on wasm", () =>
  checkSameBytes({ name: "wasm", numerics: wasmNumerics() }));
