import { createHash, createHmac, timingSafeEqual } from "node:crypto";

/** What the server knows its user by. */
export interface Key {
  /** 256 random bits as hex; in the address that is printed, then in the cookie. */
  readonly token: string;
  /** Proofs that were used: each opens one browser. */
  readonly spent: Set<string>;
}

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

/**
 * What only who has the token can say of a number that was used once: that it is this server (`alive`), or that a
 * browser may be let in (`open`), whose address others on the machine may see.
 */
export function proofOf(token: string, what: "alive" | "open", nonce: string): string {
  return createHmac("sha256", token).update(`${what} ${nonce}`).digest("hex");
}

/** Servers on one machine share a browser's cookies, whatever their ports. */
function cookieOf(token: string): string {
  return `noiseline-${createHash("sha256").update(token).digest("hex").slice(0, 8)}`;
}

/** Names of this machine alone; a tunnel may change the port. */
const OWN_HOST = /^(?:127\.0\.0\.1|localhost|\[::1\])(?::\d{1,5})?$/i;
const MOST_CHARACTERS = 4_096;
const MOST_SPENT = 1_000;

/** Whether the address itself lets in: by the token, or by a proof that nobody has used. */
function opens(query: URLSearchParams, { token, spent }: Key): boolean {
  const [nonce = "", proof = ""] = query.get("ticket")?.split(".") ?? [];
  if (!query.has("ticket")) return isSame(query.get("token") ?? "", token);
  if (spent.has(nonce) || spent.size >= MOST_SPENT || !isSame(proof, proofOf(token, "open", nonce))) return false;
  spent.add(nonce);
  return true;
}

/**
 * Decide about a request before anything is looked up for it.
 * @returns the answer to one that is refused, or sent on without its token; undefined for one that may be answered
 */
export function guard({ method, url, headers }: Request, key: Key): Response | undefined {
  if (url.length > MOST_CHARACTERS) return say(414, `an address has at most ${MOST_CHARACTERS} characters`);
  const address = new URL(url);
  // A name of somebody else's that leads here would let their page read this one.
  const hosts = [headers.get("host") ?? "", address.host];
  if (!hosts.every((host) => OWN_HOST.test(host))) return say(421, "this server answers to 127.0.0.1 and localhost");
  if (method !== "GET" && method !== "HEAD") return say(405, "only GET and HEAD", { Allow: "GET, HEAD" });
  if (!["same-origin", "none", null].includes(headers.get("sec-fetch-site"))) {
    return say(403, "another site sent you here: type or paste the address");
  }
  const { searchParams: query } = address;
  if (query.has("token") || query.has("ticket")) {
    if (!opens(query, key)) return say(401, "this address is not, or no longer, the one that `ui` prints");
    for (const name of ["token", "ticket"]) query.delete(name);
    const cookie = `${cookieOf(key.token)}=${key.token}; HttpOnly; SameSite=Strict; Path=/`;
    return say(303, "go on", { "Location": address.href, "Set-Cookie": cookie });
  }
  const nonce = query.get("nonce") ?? "";
  if (address.pathname === "/alive") return say(200, proofOf(key.token, "alive", nonce));
  const cookies = (headers.get("cookie") ?? "").split(/; */);
  const given = cookies.find((one) => one.startsWith(`${cookieOf(key.token)}=`))?.split("=")[1] ?? "";
  return isSame(given, key.token) ? undefined : say(401, "open the address with the token that `ui` prints");
}
