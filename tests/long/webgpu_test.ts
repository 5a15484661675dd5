// In software, as here, it takes half a minute: longer than all else that runs by default.
import { testParity } from "../parity/suite.ts";

testParity("webgpu");
