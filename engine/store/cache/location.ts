import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { type Diagnostic, errorOf, refuse, succeed, type ValueOf } from "../../diagnostic/diagnostic.ts";
import { suggestName } from "../../../std/did_you_mean.ts";

/** The location of a shared cache. */
export type CacheLocation = Readonly<ValueOf<typeof parseCacheLocation>>;

const PARAMETERS = ["endpoint", "region", "profile"];
const WANTED = "a folder, or s3://bucket/prefix?endpoint=https://host&region=name&profile=name";

/**
 * Parses the place of a shared cache as the user gave it; all problems are reported at once.
 * @returns the location; a folder is absolute, without a slash at its end
 */
export function parseCacheLocation(text: string, workingFolder: string) {
  const got = text.replace(/\/\/[^/@]*@/, "//…@");
  const problem = (message: string, fix: string): Diagnostic =>
    errorOf("cache", `Cannot use the shared cache: ${message}`, fix, { got, wanted: WANTED });
  const scheme = /^([a-z][a-z0-9+.-]+):\/\//i.exec(text)?.[1]?.toLowerCase();
  if (text.trim() === "") return refuse([problem("its place is empty", "name a folder, or leave the option out")]);
  const folderAt = (path: string) => succeed({ kind: "folder" as const, folder: resolve(workingFolder, path) });
  if (scheme === undefined) return folderAt(text);
  if (!URL.canParse(text)) return refuse([problem("its address cannot be read", "write it as shown")]);
  const url = new URL(text);
  if (scheme === "file") return folderAt(fileURLToPath(url));
  if (scheme !== "s3") {
    const fix = "most object stores speak S3: s3://bucket/prefix?endpoint=https://host";
    return refuse([problem(`"${scheme}" is not a kind of cache`, fix)]);
  }
  const problems: Diagnostic[] = [];
  if (url.username !== "" || url.password !== "") {
    const fix = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile; addresses end up in logs";
    problems.push(problem("its address contains credentials", fix));
  }
  if (!/^[a-z0-9][a-z0-9._-]{1,62}$/i.test(url.hostname)) {
    problems.push(problem("it names no bucket", "write s3://bucket or s3://bucket/prefix"));
  }
  for (const name of new Set(url.searchParams.keys())) {
    if (PARAMETERS.includes(name)) continue;
    problems.push(problem(`"${name}" is not a setting of an S3 address`, suggestName(name, PARAMETERS)));
  }
  const setting = (name: string): string | undefined => url.searchParams.get(name) || undefined;
  const endpoint = setting("endpoint");
  if (endpoint !== undefined && !isEndpoint(endpoint)) {
    problems.push(problem(`the endpoint ${endpoint} is not a web address`, "write it with http:// or https://"));
  }
  if (problems.length > 0) return refuse(problems);
  return succeed({
    kind: "s3" as const,
    bucket: url.hostname,
    /** Without slashes at its ends; empty for the bucket itself. */
    prefix: decodeURIComponent(url.pathname).replaceAll(/^\/+|\/+$/g, ""),
    endpoint,
    region: setting("region"),
    profile: setting("profile"),
  });
}

/** True if a text is the web address of a service. */
export function isEndpoint(text: string): boolean {
  return URL.canParse(text) && ["http:", "https:"].includes(new URL(text).protocol);
}
