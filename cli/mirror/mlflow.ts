import { readAtMost } from "../../std/read_at_most.ts";
import { type MirroredRun, Refused, type Tracker } from "./mirror.ts";

/** Time in ms for one answer. */
const ANSWER_MS = 10_000;
/** No answer that is read is longer. */
const MOST_BYTES = 1 << 20;
/** The most params and metrics in one request, and characters in one value (MLflow's REST API). */
const [MOST, MOST_TEXT] = [{ params: 100, metrics: 1_000 }, 500];

/** Statuses of a server that may answer otherwise later. */
const BUSY: readonly number[] = [408, 429, 500, 502, 503, 504];

const ENDS = { done: "FINISHED", failed: "FAILED", interrupted: "KILLED" } as const;

/**
 * Sends runs to a tracking server of MLflow, by its REST API 2.0: an experiment for each pipeline.
 * `MLFLOW_TRACKING_TOKEN`, or `…_USERNAME` and `…_PASSWORD`, log in, as they do for MLflow's own client.
 *
 * @param address of the server
 */
export function mlflowTracker(address: URL): Tracker {
  const headers: Record<string, string> = {};
  const [token, user, password] = ["TOKEN", "USERNAME", "PASSWORD"].map((name) =>
    Deno.env.get(`MLFLOW_TRACKING_${name}`)
  );
  if (token !== undefined) headers["authorization"] = `Bearer ${token}`;
  else if (user !== undefined) headers["authorization"] = `Basic ${btoa(`${user}:${password ?? ""}`)}`;
  const base = address.href.replace(/\/$/, "");
  const send = async (path: string, body: object): Promise<Answer> => {
    const isFile = body instanceof Uint8Array;
    const response = await fetch(`${base}/api/2.0/${path}`, {
      method: isFile ? "PUT" : "POST",
      headers: { ...headers, "content-type": isFile ? "application/octet-stream" : "application/json" },
      body: isFile ? body as Uint8Array<ArrayBuffer> : JSON.stringify(body),
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    const bytes = await readAtMost(response, MOST_BYTES);
    if (bytes === undefined) throw new Refused("its answer is too long");
    const text = new TextDecoder().decode(bytes);
    // The server may be too busy, or restarted behind a proxy.
    if (BUSY.includes(response.status)) throw new Error(`status ${response.status}`);
    if (!response.ok) throw new Refused(`status ${response.status}: ${text.slice(0, 300)}`);
    try {
      return isFile ? {} : JSON.parse(text) as Answer;
    } catch {
      throw new Refused("its answer is not JSON: is this the address of a tracking server?");
    }
  };
  let run: { readonly id: string; readonly artifacts: string | undefined } | undefined;
  const log = async (what: keyof typeof MOST, all: readonly object[]) => {
    for (let at = 0; at < all.length; at += MOST[what]) {
      await send("mlflow/runs/log-batch", { run_id: run!.id, [what]: all.slice(at, at + MOST[what]) });
    }
  };
  const put = async (path: string, bytes: Uint8Array) => {
    // Other stores of artifacts are not behind the server.
    if (run!.artifacts === undefined) return;
    const place = `${run!.artifacts}/${path}`.split("/").map(encodeURIComponent).join("/");
    await send(`mlflow-artifacts/artifacts/${place}`, bytes);
  };
  return {
    async begin({ runId, pipeline, params, startedMs }: MirroredRun) {
      const named = { filter: `name = '${pipeline}'`, max_results: 1 };
      const { experiments: [known] = [] } = await send("mlflow/experiments/search", named);
      const { experiment_id: experiment } = known ?? await send("mlflow/experiments/create", { name: pipeline });
      // After a lost answer the run may be there.
      const filter = `tags.noiseline = '${runId}'`;
      const asked = { experiment_ids: [experiment], filter, max_results: 1 };
      const found = (await send("mlflow/runs/search", asked)).runs?.[0];
      const tags = [{ key: "noiseline", value: runId }, { key: "mlflow.runName", value: runId }];
      const created = { experiment_id: experiment, start_time: startedMs, run_name: runId, tags };
      const { info } = found ?? (await send("mlflow/runs/create", created)).run ?? {};
      if (info === undefined) throw new Refused("it makes no run");
      run = { id: info.run_id, artifacts: /^mlflow-artifacts:\/(?:\/[^/]*\/)?(.+)$/.exec(info.artifact_uri)?.[1] };
      await log("params", Object.entries(params).map(([key, value]) => ({ key, value: value.slice(0, MOST_TEXT) })));
    },
    async figures(rows) {
      const metrics = rows.flatMap(({ stage, step, atMs: timestamp, figures }) =>
        Object.entries(figures).map(([name, value]) => ({ key: keyOf(`${stage}/${name}`), value, step, timestamp }))
      );
      await log("metrics", metrics);
    },
    preview: (stage, step, png) => put(`${stage}/preview-${String(step).padStart(8, "0")}.png`, png),
    page: (html) => put("report.html", html),
    async end(status) {
      await send("mlflow/runs/update", { run_id: run!.id, status: ENDS[status], end_time: Date.now() });
    },
  };
}

interface RunAnswer {
  readonly info: { readonly run_id: string; readonly artifact_uri: string };
}

interface Answer {
  readonly experiments?: readonly { readonly experiment_id: string }[];
  readonly experiment_id?: string;
  readonly run?: RunAnswer;
  readonly runs?: readonly RunAnswer[];
}

/** Replaces characters that MLflow does not take in names. */
function keyOf(name: string): string {
  return name.replaceAll(/[^\w\-. :/]/g, "_").slice(0, 250);
}
