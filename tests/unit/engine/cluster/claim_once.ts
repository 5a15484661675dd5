import { claimKey } from "../../../../engine/cluster/claims.ts";

/** One job of a race: claims a key, reports it, and keeps it. */
const [cache, key, job] = Deno.args as [string, string, string];
const stop = new AbortController();
const claim = await claimKey(key, {
  cache,
  own: { id: job, attempt: 0 },
  queue: { isQueued: () => Promise.resolve(true) },
  isPublished: () => false,
  stop: stop.signal,
  onWait: () => stop.abort(),
  lookMs: 1,
});
// deno-lint-ignore no-console
console.log(typeof claim === "string" ? claim : "claimed");
