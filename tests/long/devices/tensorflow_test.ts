import { testParityApart } from "../../parity/apart.ts";

testParityApart("tensorflow");
