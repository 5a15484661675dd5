// deno-lint-ignore-file no-console -- a tool prints what it finds
/**
 * Check that what is committed can be published as the version in deno.json. It publishes nothing.
 *
 *     deno task release:check
 *
 * @module
 */
import manifest from "../deno.json" with { type: "json" };

async function succeeds(program: string, ...args: string[]): Promise<boolean> {
  console.log(`== ${program} ${args.join(" ")}`);
  return (await new Deno.Command(program, { args, cwd: import.meta.dirname! + "/.." }).spawn().status).success;
}

/** What is to be true, each with what to do where it is not. */
const CHECKS: readonly (readonly [holds: () => Promise<boolean>, fix: string])[] = [
  [
    async () =>
      (await Deno.readTextFile(new URL("../CHANGELOG.md", import.meta.url))).includes(`\n## [${manifest.version}]`),
    `give CHANGELOG.md a section [${manifest.version}]`,
  ],
  [() => succeeds("git", "diff", "--quiet", "HEAD"), "commit what was changed"],
  [() => succeeds(Deno.execPath(), "publish", "--dry-run", "--no-check", "--quiet"), "commit or mend what it names"],
  [() => succeeds(Deno.execPath(), "task", "check"), "mend what it names"],
  [() => succeeds(Deno.execPath(), "task", "test:long"), "mend what it names"],
];

const fixes: string[] = [];
for (const [holds, fix] of CHECKS) if (!await holds()) fixes.push(fix);
for (const fix of fixes) console.error(`not ready: ${fix}`);
if (fixes.length > 0) Deno.exit(1);
console.log(`${manifest.name}@${manifest.version} can be published: deno publish`);
