import { defineObjective } from "noiseline";
import { z } from "zod";
export default defineObjective({ params: z.strictObject({}), target: (at) => ({ x0: -at.noise, noise: at.signal }) });
