import { testParity } from "./suite.ts";

testParity("onnx-cuda");
