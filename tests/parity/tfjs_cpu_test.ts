import { FIXTURE_GROUPS } from "./fixtures.ts";
import { testParity } from "./suite.ts";

// This backend's JavaScript loops would take half a minute for a network, and networks do not use it.
const groups = FIXTURE_GROUPS.filter((group) => group !== "network" && group !== "training");
testParity("tfjs-cpu", { groups });
