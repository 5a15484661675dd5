import { join } from "node:path";

/** Options of a throw-away cluster. */
export interface ClusterOptions {
  /** Why the test cannot run here although Slurm could, such as a program that is not installed. */
  readonly absence?: string | undefined;
  /**
   * True for slurmdbd and MariaDB, which take about 3 s more. `limits`: associations are required and their limits are
   * enforced.
   */
  readonly accounting?: boolean | "limits";
  /** True to give each node its own network and host name, so that it can be cut off. Root only. */
  readonly namespaces?: boolean;
  /** Time in seconds for which ended jobs are remembered (default 300). */
  readonly minJobAge?: number;
  readonly maxJobCount?: number;
  readonly maxArraySize?: number;
  /** The fate of jobs of the partition `scavenge` that make room for others (default: queued again). */
  readonly preempted?: "REQUEUE" | "CANCEL";
  /** Processors of each node, whatever the machine has (default 4). */
  readonly cpus?: number;
  /** Last lines of `slurm.conf`. */
  readonly extra?: readonly string[];
}

/** The addresses of a cluster's parts. */
export interface Addresses {
  /** The controller's port; slurmdbd has the next one, the nodes those from the eleventh on. */
  readonly port: number;
  /** First three numbers of the nodes' network, if they have a separate one. */
  readonly network: string | undefined;
}

/** Nodes of every cluster here; the first two have two GPUs each. */
export const NODES = ["n1", "n2", "n3"] as const;
export type Node = typeof NODES[number];

export const nodeAddress = (network: string, node: Node): string => `${network}.${11 + NODES.indexOf(node)}`;

/**
 * Each GPU needs a file that is a separate character device, and these two exist in every container. Slurm reads
 * gres.conf beside slurm.conf.
 */
export const GRES = `NodeName=n[1-2] Name=gpu Type=fake File=/dev/null
NodeName=n[1-2] Name=gpu Type=fake File=/dev/zero
`;

export function slurmConfiguration(folder: string, user: string, at: Addresses, options: ClusterOptions): string {
  const { accounting = false, minJobAge = 300, maxJobCount, maxArraySize, preempted = "REQUEUE", cpus = 4 } = options;
  const { port, network } = at;
  const logs = join(folder, "log");
  const lines = [
    "ClusterName=test",
    `SlurmctldHost=${
      network === undefined ? "localhost(127.0.0.1)" : `${Deno.hostname().split(".")[0]}(${network}.1)`
    }`,
    `SlurmctldPort=${port}`,
    `SlurmUser=${user}`,
    `SlurmdUser=${user}`,
    "AuthType=auth/munge",
    "CredType=cred/munge",
    // A job that is queued again waits for this long; 22.05 refuses a lower value.
    `AuthInfo=socket=${join(folder, "run/munge.sock")},cred_expire=6`,
    `StateSaveLocation=${join(folder, "state")}`,
    `SlurmdSpoolDir=${join(folder, "spool/%n")}`,
    `SlurmctldPidFile=${join(folder, "run/slurmctld.pid")}`,
    `SlurmdPidFile=${join(folder, "run/slurmd.%n.pid")}`,
    `SlurmctldLogFile=${join(logs, "slurmctld.log")}`,
    `SlurmdLogFile=${join(logs, "slurmd.%n.log")}`,
    "MailProg=/bin/true",
    "ProctrackType=proctrack/linuxproc",
    "TaskPlugin=task/none",
    "JobAcctGatherType=jobacct_gather/linux",
    "JobAcctGatherFrequency=task=2",
    "MpiDefault=none",
    "SchedulerType=sched/backfill",
    "SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0,bf_interval=1",
    "SelectType=select/cons_tres",
    "SelectTypeParameters=CR_Core_Memory",
    "SlurmdParameters=config_overrides",
    "GresTypes=gpu",
    "ReturnToService=2",
    "DefMemPerCPU=100",
    "KillWait=3",
    `MinJobAge=${minJobAge}`,
    // If both timeouts are equal, one dead node takes the others down with it.
    "MessageTimeout=3",
    "SlurmdTimeout=15",
    "PreemptType=preempt/partition_prio",
    "PreemptMode=REQUEUE",
    ...maxJobCount === undefined ? [] : [`MaxJobCount=${maxJobCount}`],
    ...maxArraySize === undefined ? [] : [`MaxArraySize=${maxArraySize}`],
    ...accounting === false ? ["AccountingStorageType=accounting_storage/none"] : [
      "AccountingStorageType=accounting_storage/slurmdbd",
      "AccountingStorageHost=127.0.0.1",
      `AccountingStoragePort=${port + 1}`,
      // Clients of slurmdbd read the socket's path from here.
      `AccountingStoragePass=${join(folder, "run/munge.sock")}`,
      "AccountingStoreFlags=job_comment",
      "AccountingStorageTRES=gres/gpu",
      ...accounting === "limits" ? ["AccountingStorageEnforce=limits,qos"] : [],
    ],
  ];
  for (const [at, node] of NODES.entries()) {
    const host = network === undefined
      ? "NodeHostname=localhost NodeAddr=127.0.0.1"
      : `NodeHostname=${node} NodeAddr=${nodeAddress(network, node)}`;
    const gpus = node === "n3" ? "" : " Gres=gpu:fake:2";
    lines.push(`NodeName=${node} ${host} Port=${port + 10 + at} CPUs=${cpus} RealMemory=16000${gpus} State=UNKNOWN`);
  }
  const common = "MaxTime=60 DefaultTime=10 State=UP";
  lines.push(
    `PartitionName=gpu Nodes=n[1-2] Default=YES ${common} PriorityTier=10 PreemptMode=OFF`,
    `PartitionName=cpu Nodes=n3 ${common} PriorityTier=10 PreemptMode=OFF`,
    `PartitionName=scavenge Nodes=n[1-2] ${common} PriorityTier=1 PreemptMode=${preempted} GraceTime=5`,
    ...options.extra ?? [],
  );
  return `${lines.join("\n")}\n`;
}

export function accountingConfiguration(folder: string, user: string, port: number): string {
  return `AuthType=auth/munge
AuthInfo=socket=${join(folder, "run/munge.sock")}
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort=${port + 1}
SlurmUser=${user}
LogFile=${join(folder, "log/slurmdbd.log")}
PidFile=${join(folder, "run/slurmdbd.pid")}
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm_acct_db
`;
}
