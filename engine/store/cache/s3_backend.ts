import { AwsV4Signer } from "aws4fetch";
import { type Answer, type CacheBackend, type Content, type CreateOptions, type Trouble, trouble } from "./backend.ts";
import { contentOf, PROBE } from "./layout.ts";
import type { S3Settings } from "./s3_settings.ts";

/** The largest object that S3 takes in one request. */
const MAX_PUT_BYTES = 5 * 2 ** 30;

/** Bodies up to this size are sent from memory. */
const IN_MEMORY_BYTES = 4 << 20;

const MAX_REASON_CHARACTERS = 64 << 10;

/** Error codes that every request of this run would get. */
const HOPELESS = new Set([
  "AuthorizationHeaderMalformed",
  "ExpiredToken",
  "InvalidAccessKeyId",
  "InvalidBucketName",
  "InvalidToken",
  "NoSuchBucket",
  "PermanentRedirect",
  "RequestTimeTooSkewed",
  "SignatureDoesNotMatch",
]);

interface Request {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Content;
  readonly signal: AbortSignal;
}

/** A bucket of any service that speaks S3. Requests are signed by aws4fetch and sent by Deno's own `fetch`. */
export class S3Backend implements CacheBackend {
  readonly place: string;
  readonly maxBytes = MAX_PUT_BYTES;
  readonly #prefix: string;
  /** Signing keys by day. */
  readonly #keys = new Map<string, ArrayBuffer>();
  /** False once the service is known to ignore If-None-Match. */
  #firstWins = true;

  constructor(private readonly settings: S3Settings, prefix: string) {
    this.#prefix = prefix === "" ? "" : `${prefix}/`;
    this.place = `${settings.base}/${prefix}`;
  }

  async open(name: string, signal: AbortSignal): Promise<Answer<ReadableStream<Uint8Array<ArrayBuffer>> | undefined>> {
    const sent = await this.#send("GET", name, { signal });
    if ("trouble" in sent) return sent;
    return { value: sent.value && (sent.value.body ?? ReadableStream.from<Uint8Array<ArrayBuffer>>([])) };
  }

  async size(name: string, signal: AbortSignal): Promise<Answer<number | undefined>> {
    const sent = await this.#send("HEAD", name, { signal });
    if ("trouble" in sent) return sent;
    await sent.value?.body?.cancel();
    return { value: sent.value && Number(sent.value.headers.get("content-length")) };
  }

  async create(
    name: string,
    content: Content,
    { signal, replace }: CreateOptions,
  ): Promise<Answer<"created" | "exists">> {
    const headers: Record<string, string> = replace || !this.#firstWins ? {} : { "if-none-match": "*" };
    const sent = await this.#send("PUT", name, { headers, body: content, signal });
    if ("trouble" in sent) return sent;
    if (sent.value === undefined) return trouble("refused", "the service answers 404 to storing a file");
    await sent.value.body?.cancel();
    return { value: sent.value.ok ? "created" : "exists" };
  }

  async prepare(signal: AbortSignal): Promise<Answer<string | undefined>> {
    const content = contentOf("noiseline stores this file again to see whether the first of two wins\n");
    // If the file is there from an earlier run, the first answer is enough.
    for (let tries = 0; tries < 2; tries++) {
      const stored = await this.create(PROBE, content, { signal, replace: false });
      if ("trouble" in stored) {
        // Some services know the header and answer that they do not implement it.
        if (!/NotImplemented/.test(stored.trouble.message)) return stored;
        break;
      }
      if (stored.value === "exists") return { value: undefined };
    }
    this.#firstWins = false;
    return {
      value:
        "the service ignores If-None-Match: of two machines that make one result at the same time the last wins, " +
        "not the first; both are verified when they are read",
    };
  }

  /** @returns the response, also if it is a 412 to storing a file; undefined if there is no such file */
  async #send(method: string, name: string, { headers = {}, body, signal }: Request) {
    const { base, region, credentials } = this.settings;
    const path = `${this.#prefix}${name}`.split("/").map(encodeURIComponent).join("/");
    const plain = {
      method,
      url: `${base}/${path}`,
      headers: {
        ...headers,
        ...body && { "content-length": String(body.size) },
        // The service refuses a body that does not have this digest.
        "x-amz-content-sha256": body?.sha256 ?? "UNSIGNED-PAYLOAD",
      },
    };
    const signer = credentials &&
      new AwsV4Signer({ ...plain, ...credentials, service: "s3", region, cache: this.#keys });
    const { url, headers: signed } = await signer?.sign() ?? plain;
    try {
      const stream = body === undefined ? undefined : await openBody(body);
      // Following a redirect would use a signature that was made for another host.
      const init = { method, headers: signed, body: stream ?? null, signal, redirect: "manual" as const };
      const response = await fetch(url, init);
      const isDone = response.ok || (body !== undefined && response.status === 412);
      return isDone ? { value: response } : await whyNot(response);
    } catch (error) {
      return explain(error);
    }
  }
}

async function openBody({ from, size }: Content): Promise<BodyInit> {
  if ("bytes" in from) return from.bytes;
  return size <= IN_MEMORY_BYTES ? await Deno.readFile(from.file) : (await Deno.open(from.file)).readable;
}

/** Interprets an answer that is not a success. A missing file is no trouble. */
async function whyNot(response: Response): Promise<Answer<undefined>> {
  const { status, headers } = response;
  const text = await beginningOf(response).catch(() => "");
  const [code, detail] = ["Code", "Message"].map((tag) => new RegExp(`<${tag}>([^<]*)</${tag}>`).exec(text)?.[1]);
  if (status === 404 && code !== "NoSuchBucket") return { value: undefined };
  const message = [String(status), code, detail && `(${detail})`].filter(Boolean).join(" ");
  if (status === 409 || status === 429 || status >= 500 && status !== 501) return trouble("busy", message);
  const region = headers.get("x-amz-bucket-region");
  if (region !== null && (status === 301 || status === 400)) {
    return trouble("refused", message, `add ?region=${region} to the address`);
  }
  if (code === "NoSuchBucket") {
    return trouble("refused", message, "make the bucket, or check its name and the endpoint");
  }
  if (code !== undefined && HOPELESS.has(code)) {
    return trouble("refused", message, "check the credentials and the region");
  }
  if (status === 401 || status === 403) return trouble("denied", message);
  return trouble("refused", message);
}

/** Reads enough of an answer to know what is wrong; a body that never ends is let go. */
async function beginningOf({ body }: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > MAX_REASON_CHARACTERS) break;
  }
  return text;
}

function explain(error: unknown): { readonly trouble: Trouble } {
  const { name, message, cause } = error as Error;
  if (name === "AbortError" || name === "TimeoutError") return trouble("unreachable", "no answer in time");
  // Deno's message is "fetch failed"; its cause ends in the reason: "… client error (Connect): tcp connect error: …".
  const detail = cause instanceof Error ? cause.message.split("): ").at(-1)! : message;
  return trouble("busy", detail);
}
