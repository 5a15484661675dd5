/**
 * The box in which a program of the user's runs, made by bubblewrap. The program sees the machine's own programs and
 * libraries read-only, and beside them only what its stage names. See docs/security.md.
 */
import { basename, dirname, join, resolve } from "node:path";
import { readTextIfThere, realPath, statIfThere } from "../store/reading.ts";
import { isWithin } from "../store/write_roots.ts";
import { namesIn, readProc } from "./process_tree.ts";
import { findProgram } from "./programs.ts";

/**
 * Runs a command in the box, and tells if processes are left when it has ended. In the box are only the first process,
 * this shell, and what the command started.
 */
const WATCH = `export NOISELINE_PIPE=/proc/$$/fd/3
"$@"; code=$?
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  left=
  for p in /proc/[0-9]*; do p=\${p#/proc/}; [ "$p" = 1 ] || [ "$p" = $$ ] || left=$p; done
  [ -z "$left" ] && exit $code
  sleep 0.1
done
echo '{"type":"left"}' >&3
exit $code`;

interface BoxOptions {
  /** The program as it was found, and the one that it starts if that is known: their own folders are there. */
  readonly programs: readonly string[];
  /** Files and folders, and those of them in which the command may write; the latter are real paths. */
  readonly readable: readonly string[];
  readonly writable: readonly string[];
  /** The folder of the pipeline's project, and the store, in which only the folders above are there. */
  readonly project: string;
  readonly store: string;
  /** A folder of this command that stands for /tmp. */
  readonly temporary: string;
  readonly cwd: string;
  /**
   * Variables of the command. Its stage may name those of the loader, such as `LD_PRELOAD`: in the environment of
   * bubblewrap they would load code outside the box.
   */
  readonly env: Readonly<Record<string, string>>;
  /** True if the command may use the network, or a graphics card. */
  readonly net: boolean;
  readonly gpu: boolean;
}

interface Box {
  readonly argv: readonly string[];
  /** A right that could not be taken from the command; undefined if there is none. */
  readonly left: string | undefined;
}

/** The right that an old bubblewrap, or a kernel without namespaces of users, leaves to a program. */
const MAY_NEST = "it may make namespaces of its own, and try the kernel's faults in them";
/** How a command loses the rights over the machine, best first: the first that works is used. */
const USERS: readonly (readonly [args: readonly string[], left: string | undefined])[] = [
  [["--unshare-user", "--disable-userns"], undefined],
  [["--unshare-user"], MAY_NEST],
  [[], MAY_NEST],
];
/** Devices of graphics cards, and of the network between them. */
const CARDS = /^(nvidia.*|nvhost.*|nvmap|dri|kfd|dxg|infiniband)$/;
/** The most sockets that are covered: any user of the machine may make more, and a command line has an end. */
const MOST_SOCKETS = 1_000;

/** Folders of programs, settings and devices, whatever is mounted there. */
const OF_MACHINE = /^\/(usr|opt|nix|gnu|etc|s?bin|lib(32|64|x32)?|proc|sys|dev)(\/|$)/;
/** Folders that a system has for itself at the root of its disk; other disks may be mounted in these. */
const OF_SYSTEM = /^\/(var|boot|tmp|snap|System|Library|Applications|private|cores)$/;

const found = new Map<boolean, Box | undefined>();

/** Returns the part of a box that is the same for all commands; undefined where there is no bubblewrap that works. */
function plainBox(net: boolean): Box | undefined {
  const bwrap = findProgram("bwrap", "/");
  return bwrap === undefined ? undefined : found.getOrInsertComputed(net, () => {
    const apart = ["pid", "ipc", "uts", "cgroup-try", ...net ? [] : ["net"]].map((name) => `--unshare-${name}`);
    // The superuser's number may write to settings of the kernel without any capability.
    const mounts = ["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--ro-bind", "/proc/sys", "/proc/sys"];
    const boxes = USERS.map(([users, left]) => {
      return {
        argv: [bwrap, "--die-with-parent", "--new-session", ...apart, ...users, "--cap-drop", "ALL", ...mounts],
        left,
      };
    });
    return boxes.find(({ argv: [program, ...args] }) => {
      const trial = [...args, "/bin/sh", "-c", "exit 0"];
      return new Deno.Command(program!, { args: trial, stdout: "null", stderr: "null" }).outputSync().success;
    });
  });
}

/** Returns the real paths of those paths that are folders, but for the root. */
function foldersAt(paths: readonly (string | undefined)[]): string[] {
  const real = paths.filter((path) => path !== undefined).map(realPath);
  return [...new Set(real)].filter((path) => path !== "/" && statIfThere(path)?.isDirectory);
}

function isOfSystem(path: string): boolean {
  return OF_MACHINE.test(path) || OF_SYSTEM.test(path);
}

/** Returns the folders of many people or programs, none of which a box shows as a whole without a grant. */
function sharedFolders(): string[] {
  const home = Deno.env.get("HOME");
  const ofUser = [home, home && join(home, ".local"), Deno.env.get("XDG_RUNTIME_DIR")];
  return foldersAt(["/home", "/root", "/run", "/mnt", "/media", "/srv", ...ofUser]);
}

/**
 * Returns the folders that are people's and running programs' own, and those of other disks. At the root of the disk
 * all folders count that a system does not have itself: people keep data in `/data` or `/scratch`.
 */
export function privateFolders(): string[] {
  const atRoot = namesIn("/").map((name) => `/${name}`).filter((path) => !isOfSystem(path));
  return [...new Set([...sharedFolders(), ...foldersAt([...atRoot, ...mountPoints()])])];
}

/**
 * Returns the command line of a box for a command. Folders of people and of running programs are empty but for what the
 * options name; everything else is read-only; there is no network, no process, socket or device of others; and nothing
 * in the box outlives the command or this process. Undefined where there is no bubblewrap that works.
 */
export function box(options: BoxOptions): Box | undefined {
  const plain = plainBox(options.net);
  if (plain === undefined) return undefined;
  const { project, store, readable, writable, temporary, cwd } = options;
  const [scratch, private_] = [foldersAt(["/tmp", "/var/tmp"]), privateFolders()];
  const closed = [...scratch, ...private_];
  const empty = private_.filter((path) => !closed.some((other) => other !== path && isWithin(path, other)));
  // Neither a closed folder as a whole is there again, nor one that holds it, unless it is granted.
  const isLost = (path: string) => closed.some((one) => isWithin(path, one)) && !holdsClosed(path);
  // A project or an installed program may well have a disk, or a folder at the root, for itself.
  const shared = [...scratch, ...sharedFolders()];
  const holdsClosed = (path: string) =>
    closed.some((one) => isWithin(one, path) && (one !== path || shared.includes(one)));
  const results = statIfThere(store)?.isDirectory ? [store] : [];
  const shown: string[] = [];
  const show = (paths: readonly string[], isGranted = false) =>
    paths.flatMap((path) => [path, realPath(path)]).flatMap((path) => {
      if (!isLost(path) && !(isGranted && holdsClosed(path)) || shown.some((one) => isWithin(path, one))) return [];
      shown.push(path);
      return ["--ro-bind", path, path];
    });
  const isSeen = (path: string) => {
    if (isWithin(path, store)) return false;
    return [...shown, "/"].find((one) => isWithin(path, one)) !== "/" || !closed.some((one) => isWithin(path, one));
  };
  const named = [
    project,
    ...options.programs.flatMap((one) => placesOf(one, project)),
    ...options.net ? ["/etc/resolv.conf"] : [],
  ];
  const cards = options.gpu ? namesIn("/dev").filter((name) => CARDS.test(name)) : [];
  const mounts = [
    ...empty.flatMap((path) => ["--tmpfs", path]),
    ...scratch.flatMap((path) => ["--bind", temporary, path]),
    ...show(named.sort()),
    ...results.flatMap((path) => ["--tmpfs", path]),
    ...readable.flatMap((path) => isWithin(path, store) ? ["--ro-bind-try", path, path] : show([path], true)),
    ...writable.flatMap((path) => ["--bind", path, path]),
    ...socketsOfOthers().filter(isSeen).flatMap((path) => ["--ro-bind", "/dev/null", path]),
    // A write to an empty folder is an error, not lost.
    ...[...empty, ...results].flatMap((path) => ["--remount-ro", path]),
    ...cards.flatMap((name) => ["--dev-bind", `/dev/${name}`, `/dev/${name}`]),
    ...Object.entries(options.env).flatMap(([name, value]) => ["--setenv", name, value]),
  ];
  return { ...plain, argv: [...plain.argv, ...mounts, "--chdir", cwd, "/bin/sh", "-c", WATCH, "sh"] };
}

/**
 * Returns where the parts of a program lie: its folder, the folder above if programs are installed there, the Python of
 * a virtual environment, and wherever links lead.
 */
function placesOf(program: string, project: string): string[] {
  const places = new Set([dirname(program)]);
  const visit = (path: string) => {
    if (places.has(path)) return;
    places.add(path);
    const [bin, prefix] = [dirname(path), dirname(dirname(path))];
    if (/^(s?bin|shims)$/.test(basename(bin))) {
      places.add(bin);
      if (namesIn(prefix).some((name) => /^(lib|lib64|libexec|conda-meta)$/.test(name))) places.add(prefix);
    }
    // Folders that installed packages add to a Python's path; the project's own files may name any folder.
    const libraries = isWithin(realPath(prefix), project) ? [] : namesIn(join(prefix, "lib"));
    for (const name of libraries.filter((one) => one.startsWith("python3"))) {
      for (const site of ["site-packages", "dist-packages"].map((one) => join(prefix, "lib", name, one))) {
        const texts = namesIn(site).filter((one) => one.endsWith(".pth")).map((one) =>
          readTextIfThere(realPath(join(site, one)))
        );
        texts.flatMap((text) => text?.match(/^\/.*$/gm) ?? []).forEach((folder) => places.add(folder.trim()));
      }
    }
    for (const name of namesIn(join(prefix, "lib")).filter((one) => one.startsWith("python3"))) {
      linkedCaches(prefix, join("lib", name)).forEach((folder) => places.add(folder));
    }
    // A file of the project may name any folder: it is there only if a Python lies in it.
    const base = /^home *= *(\/.*)$/m.exec(readTextIfThere(join(prefix, "pyvenv.cfg")) ?? "")?.[1]?.trim();
    const python = base === undefined ? [] : namesIn(base).filter((name) => /^python3?$/.test(name));
    python.forEach((name) => visit(join(base!, name)));
    const target = linkAt(path);
    if (target !== undefined) visit(resolve(bin, target));
    visit(realPath(path));
  };
  visit(program);
  return [...places];
}

/**
 * Returns the caches of packages that a Python's library has links into: uv makes such links on request (`link-mode`),
 * and conda on request or where it cannot make hard links. A link of the project may lead anywhere, so only a folder
 * that is laid out as a cache counts.
 */
function linkedCaches(prefix: string, library: string): string[] {
  const system = linkAt(join(prefix, library, "os.py")) === undefined ? "" : realPath(join(prefix, library, "os.py"));
  // A package of conda's is laid out as the environment is, and its cache has a list of where its packages are from.
  const cache = system.endsWith(join("/", library, "os.py")) ? resolve(dirname(system), "../../..") : undefined;
  const caches = cache !== undefined && namesIn(cache).includes("urls.txt") ? [cache] : [];
  for (const site of ["site-packages", "dist-packages"].map((one) => join(prefix, library, one))) {
    for (const name of namesIn(site).filter((one) => one.endsWith(".dist-info"))) {
      if (linkAt(join(site, name, "METADATA")) === undefined) continue;
      const info = dirname(realPath(join(site, name, "METADATA")));
      if (basename(info) === name) caches.push(dirname(info));
    }
  }
  return caches;
}

/** Returns where other disks and folders of a network are mounted, which people keep their data on. */
function mountPoints(): string[] {
  const points = readProc("/proc/self/mountinfo").split("\n").map((line) => line.split(" ")[4] ?? "/");
  const plain = points.map((one) => one.replace(/\\(\d{3})/g, (_, code) => String.fromCharCode(parseInt(code, 8))));
  return [...new Set(plain)].filter((one) => one !== "/" && !OF_MACHINE.test(one));
}

function linkAt(path: string): string | undefined {
  try {
    return Deno.readLinkSync(path);
  } catch {
    return undefined;
  }
}

/** Returns the sockets of programs of this machine that lie in its folders, as the kernel lists them. */
function socketsOfOthers(): string[] {
  const listed = readProc("/proc/net/unix").matchAll(/ (\/.*)$/gm);
  const paths = new Set(Array.from(listed, ([, path]) => realPath(path!)));
  return [...paths].filter((path) => statIfThere(path)?.isSocket).slice(0, MOST_SOCKETS);
}
