import { testParity } from "../../parity/suite.ts";

testParity("torch");

// Kernels divide sums over their threads, so the bits differ from those of one thread.
testParity("torch", { threads: 2, groups: ["network", "training"] });
