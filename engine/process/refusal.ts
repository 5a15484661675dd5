import { isAbsolute, relative } from "node:path";

/** Where a stage's own things lie, so that a message can tell them from what is not its own. */
export interface OwnFolders {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

export interface Refusal {
  readonly message: string;
  readonly fix: string;
}

const NO_FOLDERS: OwnFolders = { inputs: [], outputs: [] };

function isBelow(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way === "" || (!way.startsWith("..") && !isAbsolute(way));
}

function explainRead(what: string): Refusal {
  if (/^\/(proc|sys)\//.test(what)) {
    const fix = "make it a param, as what differs by machine must not change a result; " +
      "to compute on a device, set device: true in its definition and use withDevice";
    return { message: `the stage may not read ${what}: it is none of its inputs`, fix };
  }
  return {
    message: `the stage may not read ${what}: it is none of its inputs`,
    fix:
      "declare it: as an input that another stage makes, or as a param with externalFile(…), whose content is in the key",
  };
}

function explainWrite(what: string, { inputs }: OwnFolders): Refusal {
  if (inputs.some((folder) => isBelow(what, folder))) {
    return {
      message: `the stage may not write ${what}: inputs are read-only`,
      fix: "write a changed copy with outputs.PORT.write(name, content)",
    };
  }
  return {
    message: `the stage may not write ${what}: it is outside its outputs`,
    fix: "write with outputs.PORT.write(name, content), or below outputs.PORT.folder",
  };
}

function explain(permission: string, what: string | undefined, folders: OwnFolders): Refusal {
  switch (permission) {
    case "read":
      return explainRead(what ?? "all files");
    case "write":
      return explainWrite(what ?? "everywhere", folders);
    case "net":
      if (what?.startsWith("unix:")) {
        return {
          message: `the stage may not open sockets: ${what.slice(5)}`,
          fix: "stages talk through their outputs alone",
        };
      }
      return {
        message: `the stage may not use the network: ${what ?? "all of it"}`,
        fix:
          `declare permissions: { net: [${
            what === undefined ? '"host"' : JSON.stringify(what)
          }] } in its definition, ` +
          "or fetch with a stage of kind dataset",
      };
    case "env":
      return {
        message: `the stage may not read ${what === undefined ? "all environment variables" : `the variable ${what}`}`,
        fix:
          `declare permissions: { env: [${
            JSON.stringify(what ?? "NAME")
          }] } in its definition, whose value is then in ` +
          "the key, or make it a param",
      };
    case "run":
      return {
        message: `the stage may not start programs: ${what ?? "any"}`,
        fix: "run it before the pipeline, and take what it made as a param with externalFile(…)",
      };
    case "ffi":
      return {
        message: `the stage may not load native code: ${what ?? "any"}`,
        fix:
          'declare permissions: { native: ["package"] } in its definition, for an npm package that the toolkit knows',
      };
    case "sys":
      return {
        message: `the stage may not ask for facts of this machine: ${what ?? "any"}`,
        fix: "make it a param; what differs by machine must not change a result",
      };
    case "import":
      return {
        message: `the stage may not import ${what ?? "from the network"}`,
        fix: "import npm packages or files of your own, by names that are written out",
      };
    default:
      return {
        message: `the stage tried to do what it did not declare: ${permission} access${
          what === undefined ? "" : ` to ${what}`
        }`,
        fix: "read only inputs, write only outputs, or declare the permission in the stage's definition",
      };
  }
}

const UNCACHED =
  /(?:Specifier|package) not found in cache: "([^"]+)"|lockfile is out of date|not found in cache|--cached-only is specified/;

/** Whether Deno says of a module that it may not fetch it. */
export function isUncached(text: string): boolean {
  return UNCACHED.test(text);
}

/** What else Deno says of what a process may not do, and what to say of it. */
const OTHERS: readonly (readonly [RegExp, (what: string) => string, string])[] = [
  [
    /symlink\w*\(\) requires unscoped/,
    () => "the stage may not make links: they may lead out of its output",
    "write plain files",
  ],
  [/Unstable API '([^']+)'/, (what) => `the stage may not use ${what}, which is unstable`, "leave it out"],
  [
    /Import "([^"]+)" not a dependency/,
    (what) => `the code imports "${what}", and nothing says what that is`,
    'name it under "imports" of the deno.json above it, or write the name out: "npm:package@version", "./file.ts"',
  ],
  [
    /Failed loading (https?:\S+)/,
    (what) => `a package is not on this machine, and ${what} cannot be reached`,
    "check the network, then try again",
  ],
  [
    UNCACHED,
    (what) =>
      `the stage may not load ${what || "a module by a computed name"}: what it loads must be known before it runs`,
    'write the name out: import … from "npm:package@version"; only then is it fetched and in the key',
  ],
];

/**
 * What Deno says when a process does what it may not, or when a module cannot be loaded that the stage's code does not
 * name, as a message about the stage. Undefined if the text is about something else.
 */
export function explainRefusal(text: string, folders: OwnFolders = NO_FOLDERS): Refusal | undefined {
  const refused = /Requires (\w+) access(?: to ("(?:[^"\\]|\\.)*"|[^,\s]+))?/.exec(text);
  if (refused !== null) {
    const what = refused[2]?.replace(/^"(.*)"$/, "$1").replace(/^<(.*)>$/, "$1");
    return explain(refused[1]!, what, folders);
  }
  for (const [pattern, message, fix] of OTHERS) {
    const found = pattern.exec(text);
    if (found !== null) return { message: message(found[1] ?? ""), fix };
  }
  return undefined;
}
