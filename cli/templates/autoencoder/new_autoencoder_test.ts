import { checkAutoencoder } from "noiseline/testing";
import autoencoder from "./new_autoencoder.ts";

Deno.test("the autoencoder is as it must be, for images that are not square too", async () => {
  await checkAutoencoder(autoencoder, { params: { width: 8 } });
  await checkAutoencoder(autoencoder, { params: { width: 8 }, images: { height: 4, width: 8, channels: 3 } });
});
