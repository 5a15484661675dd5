import manifest from "../../deno.json" with { type: "json" };

/** The imports that one layer may have, and its access to the machine. */
export interface Layer {
  /** Layers whose code it may run. */
  readonly imports: readonly string[];
  /** Layers of which it may import only types. */
  readonly types?: readonly string[];
  /** Packages that it may import; all if undefined. `node:` stands for all of Node's modules. */
  readonly packages?: readonly string[];
  /** Packages that it may not import. */
  readonly notPackages?: readonly string[];
  /** True if it may use `Deno.*`. */
  readonly deno?: true;
  /** The fix for a violation, used in messages. */
  readonly fix: string;
}

const PURE = "keep it a pure function of its arguments; let a stage read files and pass the values in";

const SCIENCE = { types: ["science/tensor"], packages: ["@tensorflow/tfjs-core"], fix: PURE };
/** The science, with the rooms that it and those who make artifacts of it share. */
const PURE_ROOMS = [
  "schemas",
  "std",
  ...["diffusion", "metrics", "tensor", "formats", "pictures"].map((name) => `science/${name}`),
];
const ENGINE = ["engine", "engine/contract"];

const REPORT: Layer = {
  imports: ["pages/report", "pages/live", "pages/browser", "artifacts", "science/formats", "science/pictures", "std"],
  types: ["schemas", "engine/contract"],
  packages: ["@dagrejs/dagre", "uplot", "idiomorph", "yaml", "zod"],
  fix: "a page is made of artifacts and values that are passed in; let pages/results/ find them",
};

export const LAYERS: Readonly<Record<string, Layer>> = {
  schemas: {
    imports: ["schemas"],
    packages: ["zod"],
    fix: "a schema says what data looks like and imports zod alone; move the code to the layer that uses it",
  },
  std: {
    imports: ["std"],
    packages: ["deno-std", "node:"],
    deno: true,
    fix: "std/ holds what a standard library would",
  },
  "science/tensor": {
    imports: ["science/tensor", "science/tensor/torch", "std"],
    types: ["schemas"],
    notPackages: ["zod"],
    fix: PURE,
  },
  // Only Deno can call a library without code that is compiled for it.
  "science/tensor/torch": {
    imports: ["science/tensor/torch", "science/tensor", "std"],
    deno: true,
    notPackages: ["zod"],
    fix: PURE,
  },
  // A definition contains its params and its code in one file.
  "science/diffusion": {
    ...SCIENCE,
    imports: ["science/diffusion", "std"],
    types: ["science/tensor", "schemas"],
    packages: ["@tensorflow/tfjs-core", "zod"],
  },
  "science/metrics": { ...SCIENCE, imports: ["science/metrics", "science/pictures"] },
  "science/pictures": {
    imports: ["science/pictures"],
    types: ["science/formats"],
    packages: ["d3-scale", "d3-shape"],
    fix: PURE,
  },
  "science/formats": {
    imports: ["science/formats"],
    deno: true,
    notPackages: ["zod"],
    fix: "a format knows bytes only; let an artifact or a stage turn them into what it needs",
  },
  "engine/contract": {
    imports: ["engine/contract"],
    types: ["schemas", "std"],
    packages: ["zod"],
    fix: "the contract is what engine and stages say to each other; move code to the side that runs it",
  },
  engine: {
    imports: [...ENGINE, "schemas", "std", "deno.json"],
    deno: true,
    fix: "the engine knows nothing of diffusion; pass what it needs through engine/contract/ or options",
  },
  artifacts: {
    imports: ["artifacts", "engine/contract", ...PURE_ROOMS],
    deno: true,
    fix: "an artifact knows its files and what they mean; let a stage make it",
  },
  stages: {
    imports: ["stages", "artifacts", "engine/contract", ...PURE_ROOMS],
    deno: true,
    fix: "a stage talks to the engine through its context alone",
  },
  "package/doors": {
    imports: ["package/doors", "stages", "mod.ts", ...ENGINE, ...PURE_ROOMS],
    fix: "a door lists what commands and pages load together",
  },
  // A stage gets the same context in a test as in a pipeline.
  "package/testing": {
    imports: ["package/testing", "stages", "artifacts", ...ENGINE, ...PURE_ROOMS],
    deno: true,
    fix: "tests of stages use stages, and the engine's code for a stage's process",
  },
  "package/worker.ts": {
    imports: ["stages", "artifacts", ...ENGINE, ...PURE_ROOMS],
    deno: true,
    fix: "the worker in a stage's own process uses the engine's code for that process",
  },
  "package/notebook": {
    imports: ["package/notebook", "package", "artifacts", "science/pictures", "std"],
    types: ["science/diffusion", "schemas"],
    packages: ["node:"],
    deno: true,
    fix: "a notebook reads files of results, and calls the program for all else",
  },
  package: {
    imports: ["package", "package/doors", "std", "engine/contract", "schemas", "deno.json"],
    types: ["engine"],
    packages: ["node:"],
    deno: true,
    fix: "what runs from a registry is small, and loads the rest from files",
  },
  "pages/browser": {
    imports: ["pages/browser", "pages/report"],
    types: ["science/pictures"],
    packages: ["uplot", "idiomorph"],
    fix: "a script of a page runs in a browser, on what the page holds",
  },
  "pages/report": REPORT,
  "pages/live": REPORT,
  pages: {
    imports: ["pages", "pages/report", "pages/live", "package", "package/doors", "artifacts", "science/formats", "std"],
    types: ["schemas"],
    deno: true,
    fix: "a page is made of artifacts, and of what the engine's doors give",
  },
  "cli/setup": {
    imports: ["cli/setup", "science/tensor", "science/tensor/torch", "science/formats", "std", "package/doors"],
    deno: true,
    fix: "what sets an engine up runs in a command; only commands import it",
  },
  cli: {
    imports: ["cli", "cli/setup", "pages", "package", "package/doors", "std", "mod.ts", "deno.json"],
    deno: true,
    fix: 'import it from "noiseline/engine"; export it from package/doors/engine.ts if it is missing there',
  },
};

/** Rooms in one order, first those of the house, then those of the engine. Each may import those before it. */
export const ROOMS: readonly { readonly of: RegExp; readonly order: readonly string[] }[] = [
  {
    of: /^([^/]+)(?=\/|$)/,
    order: [
      ...["std", "schemas", "science", "engine", "artifacts", "stages", "mod.ts", "package", "pages", "cli"],
    ],
  },
  {
    of: /^(engine\/[^/]+)\//,
    order: [
      ...["contract", "diagnostic", "store", "keys", "process", "pipeline", "plan", "run", "live", "upkeep", "cluster"],
    ].map((name) => `engine/${name}`),
  },
];

/**
 * The room that everything else can do without, with the doors that list its exports: when they are deleted with the
 * commands that name a cluster, the rest compiles.
 */
export const REMOVABLE = {
  files: /^(engine\/cluster\/|package\/doors\/(cluster|job)\.ts$)/,
  users: /^(cli|pages|dev|tests)\//,
};

/** Single imports that a layer's rule would forbid, each with the reason why it is allowed. */
export const EXCEPTIONS: readonly { readonly from: string; readonly to: RegExp }[] = [
  // Operations that TF.js does not have.
  { from: "science/diffusion/", to: /^science\/tensor\/(random\/keep_mask|layer_kernels)\.ts$/ },
  // Cleaning up, which package/doors/engine.ts would load for every command.
  { from: "cli/", to: /^engine\/upkeep\/mod\.ts$/ },
  { from: "pages/", to: /^engine\/upkeep\/mod\.ts$/ },
  // The templates from which users start import the modules that users import.
  { from: "cli/templates/", to: /^(package\/testing\/mod|science\/diffusion\/layers)\.ts$/ },
];

/** Exports for tests, through which they reach what else cannot be reached. */
export const TEST_DOORS: readonly string[] = ["setOperationHook"];

/** Files and folders whose exports are used by code that no import statement of this tree names. */
export const ENTRIES: readonly string[] = [
  ...Object.values(manifest.exports).map((path) => path.replace(/^\.\//, "")),
  // Loaded by the name that is called, and by users who start from a copy.
  "cli/commands/",
  "cli/templates/",
  // Imported by the modules that are written for a stage's process, and for a page.
  "package/worker.ts",
  "stages/demo/browser/toolkit.ts",
];

/**
 * Returns the layer of a path: its room, or the file itself at the root. The folders of the science, and a few others
 * that know less than the room in which they stand, are layers of their own.
 */
export function layerOf(path: string): string {
  const own =
    /^(science\/(tensor\/torch|[^/]+)|engine\/contract|package\/(doors|testing|notebook)|pages\/(report|live|browser)|cli\/setup)(?=\/)/;
  return own.exec(path)?.[0] ?? (path === "package/worker.ts" ? path : path.split("/")[0]!);
}
