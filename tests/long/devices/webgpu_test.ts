// In software, as here, it takes half a minute: longer than all other tests that run by default.
import { testParity } from "../../parity/suite.ts";

testParity("webgpu");
