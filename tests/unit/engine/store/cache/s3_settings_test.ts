import { assertEquals, assertStringIncludes } from "@std/assert";
import { readS3Settings } from "../../../../../engine/store/cache/s3_settings.ts";
import { parseCacheLocation } from "../../../../../engine/store/cache/location.ts";

const FILES = {
  "/c": "[default]\naws_access_key_id = D\naws_secret_access_key=ds\n[lab]\naws_access_key_id=L\n" +
    "aws_secret_access_key=ls\naws_session_token=lt\n",
  "/g":
    "[profile lab]\nregion = eu-lab\nendpoint_url = http://lab\ns3 =\n  region = nested\n[profile sso]\nsso_session = x\n",
};

function settle(place: string, env: Record<string, string> = {}) {
  const location = parseCacheLocation(place, "/");
  if (!location.ok || location.value.kind !== "s3") throw new Error(place);
  const all: Record<string, string> = { AWS_SHARED_CREDENTIALS_FILE: "/c", AWS_CONFIG_FILE: "/g", ...env };
  return readS3Settings(location.value, {
    env: (name) => all[name],
    read: (path) => (FILES as Record<string, string>)[path],
  });
}

const ENVIRONMENT = { AWS_ACCESS_KEY_ID: "E", AWS_SECRET_ACCESS_KEY: "es", AWS_REGION: "eu-env" };

Deno.test("readS3Settings() takes address, environment and profile in this order", () => {
  assertEquals(settle("s3://bkt?endpoint=http://h/&region=r", { ...ENVIRONMENT, AWS_ENDPOINT_URL: "http://env" }), {
    base: "http://h/bkt",
    region: "r",
    credentials: { accessKeyId: "E", secretAccessKey: "es" },
  });
  assertEquals(settle("s3://bkt", { ...ENVIRONMENT, AWS_ENDPOINT_URL: "http://a", AWS_ENDPOINT_URL_S3: "http://s3" }), {
    base: "http://s3/bkt",
    region: "eu-env",
    credentials: { accessKeyId: "E", secretAccessKey: "es" },
  });
  assertEquals(settle("s3://bkt", { AWS_PROFILE: "lab" }), {
    base: "http://lab/bkt",
    region: "eu-lab",
    credentials: { accessKeyId: "L", secretAccessKey: "ls", sessionToken: "lt" },
  });
});

Deno.test("readS3Settings() prefers a profile that the address names to credentials of the environment", () => {
  const settled = settle("s3://bkt?profile=lab", ENVIRONMENT);
  assertEquals("credentials" in settled && settled.credentials?.accessKeyId, "L");
});

Deno.test("readS3Settings() puts the bucket into the host at AWS alone, and only without dots", () => {
  assertEquals(settle("s3://bkt?region=eu-1"), {
    base: "https://bkt.s3.eu-1.amazonaws.com",
    region: "eu-1",
    credentials: { accessKeyId: "D", secretAccessKey: "ds" },
  });
  const dotted = settle("s3://bkt.c?region=eu-1");
  assertEquals("base" in dotted && dotted.base, "https://s3.eu-1.amazonaws.com/bkt.c");
});

Deno.test("readS3Settings() says how to use a profile without an access key, and signs nothing without any", () => {
  const sso = settle("s3://bkt?profile=sso", ENVIRONMENT);
  assertStringIncludes("trouble" in sso ? sso.trouble.fix! : "", "export-credentials --profile sso");
  const anonymous = settle("s3://bkt", { AWS_SHARED_CREDENTIALS_FILE: "/none" });
  assertEquals("base" in anonymous && anonymous.credentials, undefined);
});
