import { assertEquals } from "@std/assert";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { openSharedCache } from "../../../../../engine/store/cache/open_cache.ts";
import { S3Backend } from "../../../../../engine/store/cache/s3_backend.ts";
import { readS3Settings } from "../../../../../engine/store/cache/s3_settings.ts";
import { runIn } from "../../support/reach.ts";
import { Lab } from "../../support/shared.ts";
import { parseCacheLocation } from "../../../../../engine/store/cache/location.ts";

const YAML = "name: p\nstages:\n  a: { uses: source }\n";

Deno.test("what a store owes to a cache is sent there alone, however its folder is written", async () => {
  await using lab = await Lab.open();
  const root = dirname(lab.cacheFolder);
  const run = async (place: string, workingFolder: string) => {
    const options = { mode: "read-write" as const, workingFolder, warn: () => {}, stop: new AbortController().signal };
    const cache = await openSharedCache(place, options);
    if (!cache.ok) throw new Error(place);
    const { events } = await runIn(lab.machine("one"), YAML, { cache: cache.value });
    return events.flatMap((event) => event.type === "note" ? [event.message] : []).at(-1);
  };
  const fail = () => Deno.writeTextFileSync(join(lab.cacheFolder, "v1"), "");
  Deno.mkdirSync(lab.cacheFolder);
  for (
    const place of [lab.cacheFolder, `${lab.cacheFolder}/`, "../cache", pathToFileURL(lab.cacheFolder).href]
  ) {
    fail();
    Deno.removeSync(lab.machine("one"), { recursive: true });
    assertEquals(await run("cache", root), "1 result not sent to the shared cache");
    await lab.endSender("one");
    Deno.removeSync(join(lab.cacheFolder, "v1"));
    // The same words refer to another folder here.
    const elsewhere = lab.machine("elsewhere");
    assertEquals(await run("cache", elsewhere), undefined);
    assertEquals([...Deno.readDirSync(elsewhere)], []);
    assertEquals(await run(place, elsewhere), "1 result sent to the shared cache", place);
    assertEquals(lab.files("results").length, 1);
    Deno.removeSync(join(lab.cacheFolder, "v1"), { recursive: true });
  }
});

Deno.test("a bucket is one place, whatever says where it is, and another at another service", () => {
  const placeOf = (address: string, env: Record<string, string> = {}) => {
    const location = parseCacheLocation(address, "/");
    if (!location.ok || location.value.kind !== "s3") throw new Error(address);
    const settings = readS3Settings(location.value, { env: (name) => env[name], read: () => undefined });
    if ("trouble" in settings) throw new Error(settings.trouble.message);
    return new S3Backend(settings, location.value.prefix).place;
  };
  const one = placeOf("s3://bkt/a/b?endpoint=http://h:1");
  assertEquals(placeOf("s3://bkt//a/b/", { AWS_ENDPOINT_URL: "http://h:1/" }), one);
  assertEquals(placeOf("s3://bkt/a/b?endpoint=http://h:1", { AWS_REGION: "eu-1" }), one);
  const others = [
    placeOf("s3://bkt/a/b", { AWS_ENDPOINT_URL: "http://h:2" }),
    placeOf("s3://bkt/a/b"),
    placeOf("s3://bkt/a?endpoint=http://h:1"),
    placeOf("s3://other/a/b?endpoint=http://h:1"),
  ];
  assertEquals(new Set([one, ...others]).size, 5);
});
