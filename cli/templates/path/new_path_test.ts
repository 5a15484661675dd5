import { checkPath } from "noiseline/testing";
import path from "./new_path.ts";

Deno.test("the path goes from the image to noise", async () => {
  await checkPath(path);
  await checkPath(path, { params: { center: 1 } });
});
