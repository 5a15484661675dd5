import { checkAugmentation } from "noiseline/testing";
import augmentation from "./new_augmentation.ts";

Deno.test("the augmentation keeps its contract", () => {
  checkAugmentation(augmentation);
  checkAugmentation(augmentation, { params: { side: 1 }, images: { height: 5, width: 8, channels: 3 } });
});
