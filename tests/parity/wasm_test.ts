import { testParity } from "./suite.ts";

testParity("wasm");
