import { testParity } from "./suite.ts";

testParity("webgpu");
