/**
 * Runs tests that mostly wait for processes of their own, as those of a folder: one file more than there are processors
 * at once. A file that is named before its folder begins first.
 *
 * @module
 */
const { code } = await new Deno.Command(Deno.execPath(), {
  args: ["test", "-A", "--parallel", "--quiet", "--no-check", ...Deno.args],
  env: { DENO_JOBS: String(navigator.hardwareConcurrency + 1) },
}).spawn().status;
Deno.exit(code);
