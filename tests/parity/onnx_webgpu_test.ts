import { testParity } from "./suite.ts";

testParity("onnx-webgpu");
