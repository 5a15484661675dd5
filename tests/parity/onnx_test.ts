import { testParity } from "./suite.ts";

testParity("onnx");

// The engine cuts sums into blocks by each thread's share of the work, so these are other bits than those of one thread.
testParity("onnx", { threads: 4, groups: ["network", "training"] });
