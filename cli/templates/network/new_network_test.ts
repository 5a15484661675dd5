import { checkNetwork } from "noiseline/testing";
import network from "./new_network.ts";

const params = { width: 8, blocks: 2 };

Deno.test("the network holds what a network must", async () => {
  await checkNetwork(network, { params, sizes: { channels: 3 } });
});

Deno.test("the network holds it with labels too", async () => {
  await checkNetwork(network, { params, sizes: { classes: 10 } });
});
