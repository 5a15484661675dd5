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

const SCIENCE = { types: ["tensor"], packages: ["@tensorflow/tfjs-core"], fix: PURE };
/** The science, with the folders that it and those who make artifacts of it share. */
const PURE_FOLDERS = ["schemas", "std", "diffusion", "metrics", "tensor", "formats", "pictures"];

export const LAYERS: Readonly<Record<string, Layer>> = {
  schemas: {
    imports: ["schemas"],
    packages: ["zod"],
    fix: "a schema says what data looks like and imports zod alone; move the code to the layer that uses it",
  },
  std: {
    imports: ["std"],
    types: ["contract"],
    packages: ["deno-std", "node:"],
    deno: true,
    fix: "std/ holds what a standard library would",
  },
  contract: {
    imports: ["contract"],
    types: ["schemas", "std"],
    packages: ["zod"],
    fix: "the contract is what engine and stages say to each other; move code to the side that runs it",
  },
  tensor: { imports: ["tensor", "tensor/torch", "std"], types: ["schemas"], notPackages: ["zod"], fix: PURE },
  // Only Deno can call a library without code that is compiled for it.
  "tensor/torch": { imports: ["tensor/torch", "tensor", "std"], deno: true, notPackages: ["zod"], fix: PURE },
  "tensor/setup": {
    imports: ["tensor/setup", "tensor", "tensor/torch", "formats", "std", "engine.ts"],
    deno: true,
    fix: "what sets an engine up runs in a command; only commands import it",
  },
  // A definition contains its params and its code in one file.
  diffusion: {
    ...SCIENCE,
    imports: ["diffusion", "std"],
    types: ["tensor", "schemas"],
    packages: ["@tensorflow/tfjs-core", "zod"],
  },
  metrics: { ...SCIENCE, imports: ["metrics", "pictures"] },
  pictures: { imports: ["pictures"], types: ["formats"], packages: ["d3-scale", "d3-shape"], fix: PURE },
  formats: {
    imports: ["formats"],
    deno: true,
    notPackages: ["zod"],
    fix: "a format knows bytes only; let an artifact or a stage turn them into what it needs",
  },
  artifacts: {
    imports: ["artifacts", "contract", ...PURE_FOLDERS],
    deno: true,
    fix: "an artifact knows its files and what they mean; let a stage make it",
  },
  stages: {
    imports: ["stages", "artifacts", "contract", ...PURE_FOLDERS],
    deno: true,
    fix: "a stage talks to the engine through its context alone",
  },
  engine: {
    imports: ["engine", "contract", "schemas", "std", "deno.json"],
    deno: true,
    fix: "the engine knows nothing of diffusion; pass what it needs through contract/ or options",
  },
  report: {
    imports: ["report", "artifacts", "formats", "pictures", "std"],
    types: ["schemas", "contract"],
    packages: ["@dagrejs/dagre", "uplot", "idiomorph", "yaml", "zod"],
    fix: "a page is made of artifacts and values that are passed in; let a command find them",
  },
  package: {
    imports: ["package", "std", "contract", "schemas"],
    types: ["engine"],
    packages: ["node:"],
    deno: true,
    fix: "what runs from a registry is small, and loads the rest from files",
  },
  notebook: {
    imports: ["notebook", "package", "artifacts", "pictures", "std"],
    types: ["diffusion", "schemas"],
    packages: ["node:"],
    deno: true,
    fix: "a notebook reads files of results, and calls the program for all else",
  },
  cli: {
    imports: [
      "cli",
      "package",
      "std",
      "cluster.ts",
      "core.ts",
      "engine.ts",
      "job.ts",
      "kinds.ts",
      "mod.ts",
      "deno.json",
    ],
    deno: true,
    fix: 'import it from "noiseline/engine"; export it from engine.ts if it is missing there',
  },
};

/** The rooms of the engine. Each may import those before it. */
export const ROOMS = ["diagnostic", "store", "keys", "process", "pipeline", "plan", "run", "live", "upkeep", "cluster"];

/**
 * The room that everything else can do without, with the modules at the top that list its exports: when they are
 * deleted with the commands that name a cluster, the rest compiles.
 */
export const REMOVABLE = { files: /^(engine\/cluster\/|cluster\.ts$|job\.ts$)/, users: /^(cli|bench|tests)\// };

/** Single imports that a layer's rule would forbid, each with the reason why it is allowed. */
export const EXCEPTIONS: readonly { readonly from: string; readonly to: RegExp }[] = [
  // Operations that TF.js does not have.
  { from: "diffusion/", to: /^tensor\/(random\/keep_mask|layer_kernels)\.ts$/ },
  // The only command that installs anything.
  { from: "cli/commands/setup.ts", to: /^tensor\/setup\// },
  // Pages and cleaning up, which engine.ts would load for every command.
  { from: "cli/", to: /^(report|engine\/upkeep)\/mod\.ts$/ },
  // The templates from which users start import the modules that users import.
  { from: "cli/templates/", to: /^(stages\/testing\/mod|diffusion\/layers)\.ts$/ },
  // A stage gets the same context in a test as in a pipeline.
  { from: "stages/testing/", to: /^engine\/process\/(context|device_trial)\.ts$/ },
  // The worker in a stage's own process uses the engine's code for that process.
  { from: "stages/worker.ts", to: /^engine\/process\// },
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
  "stages/worker.ts",
  "stages/demo/browser/toolkit.ts",
];

/**
 * Returns the layer of a path: its first folder, or the file itself at the root. The code that installs an engine, and
 * that which calls a library, are layers of their own.
 */
export function layerOf(path: string): string {
  return /^tensor\/(setup|torch)(?=\/)/.exec(path)?.[0] ?? path.split("/")[0]!;
}
