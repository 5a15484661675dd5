import { findProgram } from "./programs.ts";

/**
 * Runs a command in the box, and tells if processes are left when it has ended. In the box are only the first process,
 * this shell, and what the command started.
 */
const WATCH = `"$@"; code=$?
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  left=
  for p in /proc/[0-9]*; do p=\${p#/proc/}; [ "$p" = 1 ] || [ "$p" = $$ ] || left=$p; done
  [ -z "$left" ] && exit $code
  sleep 0.1
done
echo '{"type":"left"}' >&3
exit $code`;

interface BoxOptions {
  /** Folders in which the command may write. */
  readonly writable: readonly string[];
  readonly cwd: string;
  /** True if the command may use the network. */
  readonly net: boolean;
}

/** True where bubblewrap can make the box: in many containers it is installed and may not. */
const works = new Map<boolean, boolean>();

/**
 * Returns the command line of a box for a command: everything is read-only except some folders, there is no network,
 * and nothing in the box outlives the command or this process. Undefined where there is no bubblewrap that works.
 */
export function box({ writable, cwd, net }: BoxOptions): string[] | undefined {
  const bwrap = findProgram("bwrap", "/");
  if (bwrap === undefined) return undefined;
  const alone = ["--die-with-parent", "--unshare-pid", "--unshare-ipc", ...net ? [] : ["--unshare-net"]];
  const plain = [bwrap, ...alone, "--ro-bind", "/", "/", "--dev-bind", "/dev", "/dev", "--proc", "/proc"];
  const isAble = works.getOrInsertComputed(net, () => {
    const [program, ...args] = [...plain, "/bin/sh", "-c", "exit 0"];
    return new Deno.Command(program!, { args, stdout: "null", stderr: "null" }).outputSync().success;
  });
  if (!isAble) return undefined;
  const binds = writable.flatMap((folder) => ["--bind", folder, folder]);
  return [...plain, ...binds, "--chdir", cwd, "/bin/sh", "-c", WATCH, "sh"];
}
