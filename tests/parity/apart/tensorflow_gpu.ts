import { testParity } from "../suite.ts";

testParity("tensorflow-gpu");
