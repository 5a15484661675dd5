import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { answer, guard, proofOf } from "../../../../pages/server/guard.ts";

const TOKEN = "ab".repeat(32);
const HERE = "http://127.0.0.1:8642";

/** Returns a request as a server receives it: with its Host, which `fetch` would not let a test set. */
function ask(path: string, headers: Record<string, string> = {}, method = "GET"): Request {
  const request = new Request(`${HERE}${path}`, { method });
  const all = new Headers({ host: "127.0.0.1:8642", ...headers });
  return { method, url: request.url, headers: all } as Request;
}

const statusOf = (request: Request, token = TOKEN) => guard(request, token)?.status;

/** Returns the cookie that the first address sets. */
function letIn(): Record<string, string> {
  const { headers } = guard(ask(`/?token=${TOKEN}`), TOKEN)!;
  return { cookie: headers.get("set-cookie")!.split(";")[0]! };
}

Deno.test("the token becomes a cookie that no script reads and no other site sends, and leaves the address", () => {
  const { status, headers } = guard(ask(`/run/a-b?sort=loss&token=${TOKEN}`), TOKEN)!;
  assertEquals([status, headers.get("location")], [303, `${HERE}/run/a-b?sort=loss`]);
  assertStringIncludes(headers.get("set-cookie")!, "; HttpOnly; SameSite=Strict; Path=/");
  assertEquals(statusOf(ask("/run/a-b?sort=loss", letIn())), undefined);
});

Deno.test("without the token nobody gets in", () => {
  const [name] = letIn()["cookie"]!.split("=");
  for (
    const path of [
      "/",
      "/app.js",
      "/events?of=/",
      "/object/x.png",
      "/?token=",
      "/?token=x",
    ]
  ) {
    assertEquals(statusOf(ask(path)), 401, path);
  }
  for (
    const cookie of [
      `${name}=`,
      `${name}=${TOKEN}`,
      `${name}=${TOKEN.slice(1)}`,
      `x${name}=${TOKEN}`,
      `other=${TOKEN}`,
      TOKEN,
    ]
  ) {
    assertEquals(statusOf(ask("/", { cookie })), 401, cookie);
  }
  fc.assert(fc.property(fc.string(), (text) => {
    fc.pre(text !== TOKEN);
    assertEquals(statusOf(ask(`/?token=${encodeURIComponent(text)}`)), 401);
  }));
});

Deno.test("the cookie holds nothing of the token, and lets in nowhere else: neither as a token nor at another start", () => {
  const { cookie } = letIn() as { cookie: string };
  const [, value] = cookie.split("=");
  assert(!cookie.includes(TOKEN) && !TOKEN.includes(value!));
  assertEquals(statusOf(ask("/", { cookie })), undefined);
  assertEquals(statusOf(ask(`/?token=${value}`, { cookie })), 401);
  assertEquals(statusOf(ask("/", { cookie }), "cd".repeat(32)), 401);
  assertEquals(statusOf(ask("/", { cookie: cookie.replace(value!, proofOf(TOKEN, "cookie")) })), 401);
});

Deno.test("a browser that a file sent goes on from a page of the server's own, since it sends no cookie before", () => {
  const { status, headers } = guard(ask(`/run/a?q=1;2&token=${TOKEN}`, { "sec-fetch-site": "cross-site" }), TOKEN)!;
  assertEquals([status, headers.get("refresh")], [200, `0; url=${HERE}/run/a?q=1%3B2`]);
  assertStringIncludes(headers.get("set-cookie")!, "SameSite=Strict");
});

Deno.test("/alive proves who it is to those who have the token, and tells others nothing of it", async () => {
  const response = guard(ask("/alive?nonce=n"), TOKEN)!;
  const text = await response.text();
  assertEquals([response.status, text.trim()], [200, proofOf(TOKEN, "n")]);
  assert(!text.includes(TOKEN));
});

Deno.test("only names of this machine are answered to, whatever the port", () => {
  const headers = letIn();
  for (const host of ["127.0.0.1", "localhost:1", "LOCALHOST:65535", "[::1]:8642"]) {
    assertEquals(statusOf(ask("/", { ...headers, host })), undefined, host);
  }
  const foreign = [
    "evil.example",
    "127.0.0.1.evil.example",
    "localhost.",
    "evil.example:8642",
    "127.0.0.2",
    "",
    "0.0.0.0",
  ];
  for (const host of [...foreign, "localhost@evil.example", "localhost, evil.example", "[::1]:x", "127.1"]) {
    assertEquals(statusOf(ask("/", { ...headers, host })), 421, host);
  }
  // Deno does not check that such a host makes a valid address.
  for (const host of ["localhost:999999", "evil.example:127.0.0.1", "127.0.0.1:99999", "[::1"]) {
    const request = { method: "GET", url: `http://${host}/`, headers: new Headers({ ...headers, host }) };
    assertEquals(statusOf(request as Request), 421, host);
  }
  // A request line may name a host as well.
  const absolute = { ...ask("/", headers), url: "http://evil.example/" };
  assertEquals(
    statusOf({ ...absolute, method: "GET", headers: new Headers({ ...headers, host: "localhost" }) } as Request),
    421,
  );
});

Deno.test("what is not GET, comes from another site or is too long is refused", () => {
  const headers = letIn();
  for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "HEAD"]) {
    assertEquals(statusOf(ask("/", headers, method)), 405);
  }
  for (const site of ["cross-site", "same-site", "odd"]) {
    assertEquals(statusOf(ask("/", { ...headers, "sec-fetch-site": site })), 403);
    assertEquals(statusOf(ask(`/?token=x`, { ...headers, "sec-fetch-site": site })), 403);
  }
  for (const site of ["same-origin", "none"]) {
    assertEquals(statusOf(ask("/", { ...headers, "sec-fetch-site": site })), undefined);
  }
  assertEquals(statusOf(ask(`/?q=${"x".repeat(5_000)}`, headers)), 414);
});

Deno.test("every answer has the policy of pages: nothing from elsewhere, no inline script, no frame around it", () => {
  const all = [answer("x", "text/html"), guard(ask("/"), TOKEN)!, guard(ask("/", {}, "POST"), TOKEN)!];
  for (const { headers } of all) {
    const policy = headers.get("content-security-policy")!;
    for (const part of ["default-src 'none'", "script-src 'self';", "frame-ancestors 'none'", "base-uri 'none'"]) {
      assertStringIncludes(policy, part);
    }
    assert(!policy.includes("unsafe"));
    assertEquals(headers.get("access-control-allow-origin"), null);
    assertEquals(headers.get("x-content-type-options"), "nosniff");
    assertEquals(headers.get("referrer-policy"), "no-referrer");
    assertEquals(headers.get("cross-origin-resource-policy"), "same-origin");
    assertEquals(headers.get("cache-control"), "no-store");
  }
});
