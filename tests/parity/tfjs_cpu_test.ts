import { FIXTURE_GROUPS } from "./fixtures.ts";
import { testParity } from "./suite.ts";

// Its loops of JavaScript would take half a minute for a network, which they are no part of.
const groups = FIXTURE_GROUPS.filter((group) => group !== "network" && group !== "training");
testParity("tfjs-cpu", { groups });
