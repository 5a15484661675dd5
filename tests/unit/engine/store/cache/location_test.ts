import { assertEquals, assertStringIncludes } from "@std/assert";
import { parseCacheLocation } from "../../../../../engine/store/cache/location.ts";

const parse = (text: string) => parseCacheLocation(text, "/work");

function problemsOf(text: string): string[] {
  const parsed = parse(text);
  return parsed.ok ? [] : parsed.diagnostics.map(({ message, fix }) => `${message}; ${fix}`);
}

Deno.test("parseCacheLocation() reads folders, absolute and not, and file addresses", () => {
  for (
    const [text, folder] of [
      ["/mnt/x y", "/mnt/x y"],
      ["/mnt//x/", "/mnt/x"],
      ["../x", "/x"],
      ["./x/", "/work/x"],
      ["file:///a%20b/", "/a b"],
    ]
  ) {
    const parsed = parse(text!);
    assertEquals(parsed.ok && parsed.value, { kind: "folder", folder: folder! });
  }
});

Deno.test("parseCacheLocation() reads buckets with prefix and settings", () => {
  const bare = parse("s3://bucket");
  const none = { endpoint: undefined, region: undefined, profile: undefined };
  assertEquals(bare.ok && bare.value, { kind: "s3", bucket: "bucket", prefix: "", ...none });
  const full = parse("s3://my.bucket//a/b%20c/?endpoint=http://h:1&region=eu-x&profile=lab");
  assertEquals(full.ok && full.value, {
    kind: "s3",
    bucket: "my.bucket",
    prefix: "a/b c",
    endpoint: "http://h:1",
    region: "eu-x",
    profile: "lab",
  });
});

Deno.test("parseCacheLocation() names everything that is wrong with an address, and never shows its password", () => {
  assertStringIncludes(problemsOf("")[0]!, "empty");
  assertStringIncludes(problemsOf("gs://bucket")[0]!, '"gs" is not a kind of cache');
  const all = problemsOf("s3://key:secret@bucket?endpont=http://h&endpoint=h");
  assertEquals(all.length, 3);
  assertStringIncludes(all[0]!, "credentials");
  assertStringIncludes(all[1]!, 'did you mean "endpoint"?');
  assertStringIncludes(all[2]!, "endpoint h is not a web address");
  const parsed = parse("s3://key:secret@bucket");
  assertEquals(parsed.ok, false);
  assertEquals(JSON.stringify(parsed).includes("secret"), false);
});
