import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import type { Asked } from "./listen.ts";

/** Pages and their parts come from here alone, and run nothing that does not. */
const POLICY = [
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'",
  "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
].join("; ");

const HEADERS = {
  "Content-Security-Policy": POLICY,
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Cache-Control": "no-store",
};

/** An answer with what every answer says to browsers, which `headers` may put otherwise. */
export function answer(
  body: BodyInit | null,
  type: string,
  { status = 200, headers = {} }: { readonly status?: number; readonly headers?: Readonly<Record<string, string>> } =
    {},
): Response {
  return new Response(body, { status, headers: { ...HEADERS, "Content-Type": type, ...headers } });
}

export function say(status: number, message: string, headers?: Readonly<Record<string, string>>): Response {
  return answer(`${message}\n`, "text/plain; charset=utf-8", { status, ...headers && { headers } });
}

/** Whether two texts are the same, in a time that tells nothing of either. */
function isSame(given: string, wanted: string): boolean {
  const [a, b] = [given, wanted].map((text) => createHash("sha256").update(text).digest());
  return timingSafeEqual(a!, b!);
}

function signed(token: string, text: string): string {
  return createHmac("sha256", token).update(text).digest("hex");
}

/** What only this server, which has the token, can say of a number that was used once. */
export function proofOf(token: string, nonce: string): string {
  return signed(token, `alive ${nonce}`);
}

/**
 * The cookie of a browser that was let in. Browsers send it to all servers of a machine, whatever their ports, those of
 * other users too: so each server has a name of its own for it, and it is good for nothing but this server.
 */
function cookieOf(token: string): string {
  return `noiseline-${signed(token, "name").slice(0, 8)}=${signed(token, "cookie")}`;
}

/** Names of this machine alone; a tunnel may change the port. */
const OWN_HOST = /^(?:127\.0\.0\.1|localhost|\[::1\])(?::\d{1,5})?$/i;
const MOST_CHARACTERS = 4_096;

/**
 * Decide about a request before anything is looked up for it.
 * @param token 256 random bits as hex, of this server alone; in the address that is printed
 * @returns the answer to one that is refused, or sent on without its token; undefined for one that may be answered
 */
export function guard({ method, url, headers }: Asked, token: string): Response | undefined {
  if (url.length > MOST_CHARACTERS) return say(414, `an address has at most ${MOST_CHARACTERS} characters`);
  const address = URL.parse(url);
  // A name of somebody else's that leads here would let their page read this one.
  const isHere = [headers.get("host"), address?.host].every((host) => OWN_HOST.test(host ?? ""));
  if (address === null || !isHere) return say(421, "this server answers to 127.0.0.1 and localhost");
  if (method !== "GET") return say(405, "only GET", { Allow: "GET" });
  const { searchParams: query } = address;
  const given = query.get("token");
  const isSent = !["same-origin", "none", null].includes(headers.get("sec-fetch-site"));
  if (given !== null && isSame(given, token)) {
    query.delete("token");
    const cookie = { "Set-Cookie": `${cookieOf(token)}; HttpOnly; SameSite=Strict; Path=/` };
    // Where a file sent a browser here, it sends the cookie along only from a page of this server on.
    return isSent
      ? answer("", "text/html", { headers: { "Refresh": `0; url=${address.href}`, ...cookie } })
      : say(303, "go on", { "Location": address.href, ...cookie });
  }
  if (isSent) return say(403, "another site sent you here: type or paste the address");
  if (given !== null) return say(401, "this address is not, or no longer, the one that `ui` prints");
  if (address.pathname === "/alive") return say(200, proofOf(token, query.get("nonce") ?? ""));
  const cookies = (headers.get("cookie") ?? "").split(/; */);
  const isKnown = cookies.some((one) => isSame(one, cookieOf(token)));
  return isKnown ? undefined : say(401, "open the address with the token that `ui` prints");
}
