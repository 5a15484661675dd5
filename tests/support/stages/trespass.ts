import { defineStage } from "noiseline";
import { z } from "zod";

/** Tries things that no stage may do without declaring them. */
export default defineStage({
  summary: "Trespasses",
  params: z.strictObject({
    how: z.enum(["read", "list", "write", "overwrite-input", "net", "env", "run", "ffi", "import"]),
    target: z.string().default("/etc/passwd"),
  }),
  inputs: { from: { type: "files", description: "Something to spoil", optional: true } },
  outputs: { out: { type: "files", description: "What should not exist" } },
  async run({ params: { how, target }, inputs, outputs }) {
    switch (how) {
      case "read":
        await Deno.readTextFile(target);
        break;
      case "list":
        Array.from(Deno.readDirSync(target));
        break;
      case "write":
        await Deno.writeTextFile(target, "trespassed");
        break;
      case "overwrite-input":
        await Deno.writeTextFile(inputs.from!.path("text.txt"), "trespassed");
        break;
      case "net":
        await fetch("http://127.0.0.1:8088/");
        break;
      case "env":
        Deno.env.get("HOME");
        break;
      case "run":
        await new Deno.Command(Deno.execPath(), { args: ["--version"] }).output();
        break;
      case "ffi":
        Deno.dlopen("/lib/x86_64-linux-gnu/libc.so.6", {});
        break;
      case "import":
        await import(`${target}?now`);
        break;
    }
    await outputs.out.write("text.txt", "got through\n");
  },
});
