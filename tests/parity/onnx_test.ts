import { testParity } from "./suite.ts";

testParity("onnx");

// The engine cuts sums into blocks by each thread's share of the work, so the bits differ from those of one thread.
testParity("onnx", { threads: 4, groups: ["network", "training"] });
