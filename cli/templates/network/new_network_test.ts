import { checkNetwork } from "noiseline/testing";
import network from "./new_network.ts";

Deno.test("the network is as it must be, without and with labels", async () => {
  const params = { width: 8, blocks: 2 };
  await checkNetwork(network, { params, sizes: { channels: 3 } });
  await checkNetwork(network, { params, sizes: { classes: 10 } });
});
