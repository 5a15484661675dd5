/** Checks that CHANGELOG.md has a section for the version in deno.json: the first part of `deno task release:check`. */
import manifest from "../deno.json" with { type: "json" };

const changelog = await Deno.readTextFile(new URL("../CHANGELOG.md", import.meta.url));
if (!changelog.includes(`\n## [${manifest.version}]`)) {
  // deno-lint-ignore no-console -- a tool prints what it finds
  console.error(
    `error: CHANGELOG.md has no section [${manifest.version}]\n  fix:    name the section of this release so`,
  );
  Deno.exit(1);
}
