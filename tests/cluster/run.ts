/**
 * `deno task test:cluster`: runs the tests of this folder. They mostly wait for Slurm, so one more than there are
 * processors run at once.
 *
 * @module
 */
const { code } = await new Deno.Command(Deno.execPath(), {
  args: ["test", "-A", "--parallel", "--quiet", "--no-check", ...Deno.args, import.meta.dirname!],
  env: { DENO_JOBS: String(navigator.hardwareConcurrency + 1) },
}).spawn().status;
Deno.exit(code);
