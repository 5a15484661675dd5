import { testParityApart } from "./apart.ts";

testParityApart("tensorflow");
