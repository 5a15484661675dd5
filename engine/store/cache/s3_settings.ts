import { homedir } from "node:os";
import { join } from "node:path";
import { definedOnly } from "../../../std/defined_only.ts";
import { readTextIfThere } from "../reading.ts";
import { type CacheLocation, isEndpoint } from "./location.ts";

/** Everything that is needed to talk to a bucket. */
export type S3Settings = Exclude<ReturnType<typeof readS3Settings>, { trouble: unknown }>;

type S3Location = Extract<CacheLocation, { kind: "s3" }>;
type Sections = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** The environment variables and files that settings come from. */
const HERE = {
  env: (name: string) => Deno.env.get(name) || undefined,
  read: readTextIfThere,
};

/** Parses the sections of the INI files of AWS's tools. Nested settings, which are indented, are skipped. */
function parseIni(text: string): Sections {
  const sections: Record<string, Record<string, string>> = Object.create(null);
  let section: Record<string, string> = Object.create(null);
  for (const line of text.split(/\r?\n/)) {
    const header = /^\[\s*(?:profile\s+)?(.+?)\s*\]/.exec(line)?.[1];
    if (header !== undefined) section = sections[header] ??= Object.create(null);
    const setting = /^(\w+)\s*=\s*(.*?)\s*$/.exec(line);
    if (setting !== null) section[setting[1]!] = setting[2]!;
  }
  return sections;
}

/**
 * Determines where a bucket is and how to sign requests for it. The address comes first, then the environment, then the
 * profile in the files of AWS's tools, as in those tools; but credentials in the environment give way to a profile that
 * the address names.
 *
 * @param surroundings passed in for tests
 */
export function readS3Settings(location: S3Location, { env, read } = HERE) {
  const home = join(homedir(), ".aws");
  const named = location.profile ?? env("AWS_PROFILE");
  const sectionOf = (path: string) => parseIni(read(path) ?? "")[named ?? "default"] ?? {};
  const config = sectionOf(env("AWS_CONFIG_FILE") ?? join(home, "config"));
  const secrets = sectionOf(env("AWS_SHARED_CREDENTIALS_FILE") ?? join(home, "credentials"));
  const ofEnvironment = location.profile === undefined ? findCredentials((name) => env(name.toUpperCase())) : undefined;
  const credentials = ofEnvironment ?? findCredentials((name) => secrets[name]) ??
    findCredentials((name) => config[name]);
  if (credentials === undefined && named !== undefined) {
    const fix = "only access keys are read from profiles; for others run: " +
      `eval "$(aws configure export-credentials --profile ${named} --format env)"`;
    return { trouble: { message: `the profile "${named}" has no access key`, fix } };
  }
  const region = location.region ?? env("AWS_REGION") ?? env("AWS_DEFAULT_REGION") ?? config["region"] ?? "us-east-1";
  const endpoint = location.endpoint ?? env("AWS_ENDPOINT_URL_S3") ?? env("AWS_ENDPOINT_URL") ?? config["endpoint_url"];
  if (endpoint !== undefined && !isEndpoint(endpoint)) {
    const fix = "write it with http:// or https://";
    return { trouble: { message: `the endpoint ${endpoint} is not a web address`, fix } };
  }
  return {
    /** The address of the bucket, without a slash at its end. */
    base: baseOf(location.bucket, endpoint, region),
    region,
    /** Without credentials requests are not signed, as for public buckets. */
    credentials,
  };
}

function findCredentials(settingOf: (name: string) => string | undefined) {
  const [accessKeyId, secretAccessKey, sessionToken] = ["access_key_id", "secret_access_key", "session_token"]
    .map((name) => settingOf(`aws_${name}`));
  if (accessKeyId === undefined || secretAccessKey === undefined) return undefined;
  return definedOnly({ accessKeyId, secretAccessKey, sessionToken });
}

/**
 * Returns the address of a bucket. The bucket is a part of the path, except at AWS, where it is a part of the host name
 * unless it contains a dot: AWS's certificates do not cover host names with two labels before theirs.
 */
function baseOf(bucket: string, endpoint: string | undefined, region: string): string {
  if (endpoint !== undefined) return `${endpoint.replace(/\/+$/, "")}/${bucket}`;
  const host = `s3.${region}.amazonaws.com`;
  return bucket.includes(".") ? `https://${host}/${bucket}` : `https://${bucket}.${host}`;
}
