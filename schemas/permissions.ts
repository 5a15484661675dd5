import { z } from "zod";

/*
 * The declarations of a custom stage are handed to Deno, whose flags know lists and wildcards: `A,B` would be two names
 * and `SECRET*` many, and the key would know neither. So one entry is one name.
 */

const LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?";
const HOST = new RegExp(String.raw`^(?:${LABEL}(?:\.${LABEL})*|\[[0-9A-Fa-f:.]{2,45}\])(?::(?<port>\d{1,5}))?$`);

function isHost(text: string): boolean {
  const port = HOST.exec(text)?.groups?.["port"];
  return HOST.test(text) && text.length <= 260 && URL.canParse(`http://${text}`) && port !== "0";
}

const hostSchema = z.string().refine(isHost, { error: "one host, such as example.org, 127.0.0.1:8080 or [::1]:80" });

/** Variables that the engine sets for every stage: a key with the user's own values would be wrong. */
const SET_BY_ENGINE = new Set(["DENO_DIR", "LANG", "LC_ALL", "TZ"]);

const variableSchema = z.string().refine((name) => /^[A-Za-z_]\w{0,127}$/.test(name) && !SET_BY_ENGINE.has(name), {
  error: "the name of one environment variable, such as MY_TOKEN; DENO_DIR, LANG, LC_ALL and TZ are set for stages",
});

const packageSchema = z.string().max(214).regex(/^(?:@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*$/, {
  error: "the bare name of an npm package",
});

/** Permissions of a custom stage's process beyond its inputs and outputs. */
export const permissionsSchema = z.strictObject({
  net: z.array(hostSchema).max(64).optional().describe("Hosts that it may connect to, each with or without a port"),
  env: z.array(variableSchema).max(64).optional().describe("Environment variables that it may read"),
  native: z.array(packageSchema).max(64).optional().describe(
    "npm packages whose native library it may load. Native code is not contained",
  ),
});

const jobs = z.string().regex(/^[0-9a-f]{64}$/);
const path = z.string();
const RIGHTS = { net: hostSchema.optional(), env: variableSchema, native: z.undefined(), read: path, run: path, jobs };

/**
 * One right as `--grant` writes it: `net=HOST`, `env=NAME`, `native` or `read=PATH` of a stage; `run=PROGRAM`, and for
 * the whole network `net`, of a stage that runs a program; `jobs=SHA256` of a cluster's file.
 */
export const rightSchema = z.string().max(4200).refine((text) => {
  const [, name, value] = /^(net|env|native|read|run|jobs)(?:=(.+))?$/s.exec(text) ?? [];
  return name !== undefined && RIGHTS[name as keyof typeof RIGHTS].safeParse(value).success;
}, { error: "net=HOST, env=NAME, native, read=PATH, run=PROGRAM or jobs=SHA256" });

/** Rights that users have granted to files of their projects, kept in the users' configuration folders. */
export const grantsFileSchema = z.strictObject({
  format: z.literal(1),
  grants: z.array(z.strictObject({
    /** Absolute folder of the project. */
    project: z.string(),
    /** The file of a stage or of a cluster, relative to the project. */
    stage: z.string(),
    rights: z.array(rightSchema),
  })),
});

export type GrantsFile = z.output<typeof grantsFileSchema>;
