import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import type { Asked } from "./listen.ts";

/** Pages and their parts are served from here only, and run no script from elsewhere. */
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

type Headings = Readonly<Record<string, string>>;

/** Returns an answer with the headers that all answers have; `headers` may override them. */
export function answer(body: BodyInit | null, type: string, headers: Headings = {}, status = 200): Response {
  return new Response(body, { status, headers: { ...HEADERS, "Content-Type": type, ...headers } });
}

export function say(status: number, message: string, headers?: Headings): Response {
  return answer(`${message}\n`, "text/plain; charset=utf-8", headers, status);
}

/** Compares two texts in a time that reveals nothing about either. */
function isSame(given: string, wanted: string): boolean {
  const [a, b] = [given, wanted].map((text) => createHash("sha256").update(text).digest());
  return timingSafeEqual(a!, b!);
}

function signed(token: string, text: string): string {
  return createHmac("sha256", token).update(text).digest("hex");
}

/** Returns a proof for a nonce that only this server can give, because only this server has the token. */
export function proofOf(token: string, nonce: string): string {
  return signed(token, `alive ${nonce}`);
}

/**
 * Returns the cookie of a browser that was let in. Browsers send a cookie to all servers of a machine, whatever their
 * ports, including those of other users. So each server has its own cookie name, and the cookie is of use to this
 * server only.
 */
function cookieOf(token: string): string {
  return `noiseline-${signed(token, "name").slice(0, 8)}=${signed(token, "cookie")}`;
}

/** Names of this machine only; a tunnel may change the port. */
const OWN_HOST = /^(?:127\.0\.0\.1|localhost|\[::1\])(?::\d{1,5})?$/i;
const MOST_CHARACTERS = 4_096;

/**
 * Decides on a request before anything is looked up for it.
 * @param token 256 random bits as hex, of this server only; part of the printed address
 * @returns the answer to a request that is refused, or redirected to an address without its token; undefined for one
 *   that may be answered
 */
export function guard({ method, url, headers }: Asked, token: string): Response | undefined {
  if (url.length > MOST_CHARACTERS) return say(414, `an address has at most ${MOST_CHARACTERS} characters`);
  const address = URL.parse(url);
  // A foreign name that resolves to this machine would let a foreign page read this one (DNS rebinding).
  const isHere = [headers.get("host"), address?.host].every((host) => OWN_HOST.test(host ?? ""));
  if (address === null || !isHere) return say(421, "this server answers to 127.0.0.1 and localhost");
  if (method !== "GET") return say(405, "only GET", { Allow: "GET" });
  const { searchParams: query } = address;
  const given = query.get("token");
  const isSent = !["same-origin", "none", null].includes(headers.get("sec-fetch-site"));
  if (given !== null && isSame(given, token)) {
    query.delete("token");
    const cookie = { "Set-Cookie": `${cookieOf(token)}; HttpOnly; SameSite=Strict; Path=/` };
    // After a redirect from a file, the browser sends the new cookie only on requests that a page of this server makes.
    // So this answer is a page, which refreshes to the address.
    return isSent
      ? answer("", "text/html", { "Refresh": `0; url=${address.href}`, ...cookie })
      : say(303, "go on", { "Location": address.href, ...cookie });
  }
  if (isSent) return say(403, "another site sent you here: type or paste the address");
  if (given !== null) return say(401, "this address is wrong or has expired: open the one that `ui` prints");
  if (address.pathname === "/alive") return say(200, proofOf(token, query.get("nonce") ?? ""));
  const cookies = (headers.get("cookie") ?? "").split(/; */);
  const isKnown = cookies.some((one) => isSame(one, cookieOf(token)));
  return isKnown ? undefined : say(401, "open the address with the token that `ui` prints");
}
