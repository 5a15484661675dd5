import { join } from "node:path";
import { hasProgram } from "./proc.ts";

const MONITOR = "v2:127.0.0.1:13300";
const ENDPOINT = "http://127.0.0.1:17480";
const KEY = "test";
const PROGRAMS = ["ceph", "ceph-mon", "ceph-osd", "monmaptool", "radosgw", "radosgw-admin"];

/**
 * Returns the configuration of one monitor, one store in memory and one gateway on loopback. Without authentication
 * inside the cluster, every connection mode has to be plain; the folder of object classes is relative by default, and
 * no tool finds it.
 */
function configuration(home: string, classes: string): string {
  const modes = ["mon_client", "mon_service", "mon_cluster", "client", "service", "cluster"];
  return `[global]
fsid = 22222222-2222-2222-2222-222222222222
mon_host = ${MONITOR}
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
${modes.map((mode) => `ms_${mode}_mode = crc`).join("\n")}
public_network = 127.0.0.0/8
osd_pool_default_size = 1
osd_pool_default_min_size = 1
mon_allow_pool_size_one = true
osd_pool_default_pg_num = 4
osd_pool_default_pgp_num = 4
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_max_pg_per_osd = 2000
run_dir = ${home}
admin_socket =
log_file = ${home}/$name.log
[mon]
mon_data = ${home}/mon
mon_data_avail_crit = 1
mon_data_avail_warn = 1
[osd]
osd_data = ${home}/osd
osd_objectstore = memstore
memstore_device_bytes = 1073741824
osd_class_dir = ${classes}
osd_class_load_list = *
osd_class_default_list = *
[client]
rgw_frontends = beast endpoint=${new URL(ENDPOINT).host}
rgw_data = ${home}/rgw
rgw_enable_apis = s3, admin
rgw_rados_pool_pg_num_min = 4
`;
}

async function until(what: string, limitMs: number, ready: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!await ready().catch(() => false)) {
    if (performance.now() > deadline) throw new Error(`Ceph: ${what} did not come up`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** Ceph's own S3 service, reachable only from this machine. Unlike smaller services it checks signatures. */
export class CephGateway implements AsyncDisposable {
  readonly endpoint = ENDPOINT;
  readonly key = KEY;
  readonly #home = Deno.makeTempDirSync({ prefix: "noiseline-ceph-" });
  readonly #children: Deno.ChildProcess[] = [];

  /** @returns a running service with one user, or why there is none */
  static async start(): Promise<CephGateway | string> {
    const missing = PROGRAMS.filter((program) => !hasProgram(program));
    if (missing.length > 0) return `there is no ${missing.join(", ")} (Debian: ceph-mon ceph-osd ceph-common radosgw)`;
    const gateway = new CephGateway();
    try {
      await gateway.#start();
      return gateway;
    } catch (error) {
      await gateway[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #start(): Promise<void> {
    const home = this.#home;
    for (const name of ["mon", "osd", "rgw"]) Deno.mkdirSync(join(home, name));
    const arch = Deno.build.arch;
    Deno.writeTextFileSync(join(home, "ceph.conf"), configuration(home, `/usr/lib/${arch}-linux-gnu/rados-classes`));
    const osd = "33333333-3333-3333-3333-333333333333";
    const map = join(home, "monmap");
    const fsid = "22222222-2222-2222-2222-222222222222";
    await this.#call("monmaptool", ["--create", "--fsid", fsid, "--addv", "a", `[${MONITOR}]`, map], false);
    await this.#call("ceph-mon", ["-i", "a", "--mkfs", "--monmap", map]);
    this.#spawn("ceph-mon", ["-i", "a", "-f"]);
    await until("the monitor", 30_000, () => this.#call("ceph", ["-s"]).then(() => true));
    await this.#call("ceph", ["osd", "new", osd]);
    await this.#call("ceph-osd", ["-i", "0", "--mkfs", "--osd-uuid", osd]);
    this.#spawn("ceph-osd", ["-i", "0", "-f"]);
    await until("the store", 30_000, async () => (await this.#call("ceph", ["osd", "stat"])).includes("1 up"));
    this.#spawn("radosgw", ["-n", "client.rgw.a", "--no-mon-config", "-f"]);
    await until("the gateway", 60_000, async () => {
      await (await fetch(ENDPOINT)).body?.cancel();
      return true;
    });
    const user = ["user", "create", "--uid=test", "--display-name=test", `--access-key=${KEY}`, `--secret-key=${KEY}`];
    await this.#call("radosgw-admin", ["-n", "client.rgw.a", ...user]);
  }

  #spawn(program: string, args: string[]): void {
    const all = ["-c", join(this.#home, "ceph.conf"), ...args];
    const options = { args: all, cwd: this.#home, stdin: "null", stdout: "null", stderr: "null" } as const;
    this.#children.push(new Deno.Command(program, options).spawn());
  }

  async #call(program: string, args: string[], configured = true): Promise<string> {
    const all = configured ? ["-c", join(this.#home, "ceph.conf"), ...args] : args;
    const signal = AbortSignal.timeout(30_000);
    const { success, stdout, stderr } = await new Deno.Command(program, { args: all, cwd: this.#home, signal })
      .output();
    if (!success) throw new Error(`${program} ${args[0]}: ${new TextDecoder().decode(stderr)}`);
    return new TextDecoder().decode(stdout);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children.reverse()) {
      child.kill("SIGKILL");
      await child.status;
    }
    Deno.removeSync(this.#home, { recursive: true });
  }
}
