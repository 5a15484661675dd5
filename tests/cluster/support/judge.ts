import { join } from "node:path";
import { type JobEnd, jobEndSchema, type Submission, submissionSchema } from "../../../schemas/cluster_records.ts";
import { recipePointerSchema, resultManifestSchema } from "../../../schemas/records.ts";
import { unseal } from "../../../engine/store/cache/layout.ts";
import { sha256Of } from "../../../engine/store/reading.ts";

/** The end of one attempt, with its submission. */
export interface SeenEnd extends JobEnd {
  readonly submission: string;
  readonly user: string;
  /** The id of the stage. */
  readonly id: string;
  readonly recipeKey: string;
}

function names(folder: string): string[] {
  try {
    return Array.from(Deno.readDirSync(folder), ({ name }) => name).sort();
  } catch {
    return [];
  }
}

/** Returns the complete submissions in a cache: one whose command was killed has no head. */
export function submissionsIn(cache: string): Submission[] {
  const root = join(cache, "cluster/submissions");
  return names(root).filter((name) => names(join(root, name)).includes("submission.json")).map((name) =>
    submissionSchema.parse(JSON.parse(Deno.readTextFileSync(join(root, name, "submission.json"))))
  );
}

/** Returns how all attempts of all submissions ended, by time. */
export function endsIn(cache: string): SeenEnd[] {
  const ends = submissionsIn(cache).flatMap(({ id: submission, user, stages }) => {
    const folder = join(cache, "cluster/submissions", submission, "ends");
    return names(folder).filter((name) => name.endsWith(".json")).map((name): SeenEnd => {
      const end = jobEndSchema.parse(JSON.parse(Deno.readTextFileSync(join(folder, name))));
      const { id, recipeKey } = stages[end.line]!;
      return { ...end, submission, user, id, recipeKey };
    });
  });
  return ends.sort((a, b) => a.endedAt < b.endedAt ? -1 : 1);
}

/**
 * Returns the damage in a shared cache: each object is hashed, each record is checked with everything that it refers
 * to.
 */
export function damageIn(cache: string): string[] {
  const root = join(cache, "v1");
  const all = (kind: string) =>
    names(join(root, kind)).flatMap((folder) => names(join(root, kind, folder)).map((name) => ({ folder, name })));
  const damage: string[] = [];
  const objects = new Map<string, number>();
  for (const { folder, name } of all("objects")) {
    const bytes = Deno.readFileSync(join(root, "objects", folder, name));
    if (sha256Of(bytes) !== name) damage.push(`object ${name}`);
    objects.set(name, bytes.length);
  }
  const results = new Set<string>();
  for (const { folder, name } of all("results")) {
    const found = unseal(Deno.readFileSync(join(root, "results", folder, name)), resultManifestSchema);
    if (!("record" in found) || found.record.resolvedKey !== name) {
      damage.push(`result ${name}`);
      continue;
    }
    results.add(name);
    for (const { files } of Object.values(found.record.outputs)) {
      for (const { path, sha256, size } of files) {
        if (objects.get(sha256) !== size) damage.push(`${path} of result ${name}`);
      }
    }
  }
  for (const { folder, name } of all("recipes")) {
    const found = unseal(Deno.readFileSync(join(root, "recipes", folder, name)), recipePointerSchema);
    if (!("record" in found) || !results.has(found.record.resolvedKey)) damage.push(`recipe ${name}`);
  }
  return damage;
}

/** Returns stages that were computed more than once: by one user, or by several. */
export function twiceIn(ends: readonly SeenEnd[]): { readonly oneUser: string[]; readonly twoUsers: string[] } {
  const oneUser: string[] = [];
  const twoUsers: string[] = [];
  for (const [key, ran] of Map.groupBy(ends.filter(({ state }) => state === "ran"), ({ resolvedKey }) => resolvedKey)) {
    const tell = (some: readonly SeenEnd[]) =>
      `${some[0]!.id} (${key?.slice(0, 8)}) by ${
        some.map(({ user, job, attempt, startedAt, endedAt }) =>
          `${user}'s ${job}.${attempt} ${startedAt.slice(17, 23)}-${endedAt.slice(17, 23)}`
        ).join(" and ")
      }`;
    const users = Map.groupBy(ran, ({ user }) => user);
    for (const own of users.values()) if (own.length > 1) oneUser.push(tell(own));
    if (users.size > 1) twoUsers.push(tell(ran));
  }
  return { oneUser, twoUsers };
}

/**
 * Returns existing work that was not used: a state that was saved and reported, or a complete result, before an attempt
 * began.
 */
export function wasteIn(ends: readonly SeenEnd[]): string[] {
  return ends.flatMap((end) => {
    const before = ends.filter((one) => one.recipeKey === end.recipeKey && one.endedAt < end.startedAt);
    const saved = Math.max(0, ...before.map(({ toStep }) => toStep ?? 0));
    const name = `${end.id} in ${end.user}'s job ${end.job}.${end.attempt}`;
    if (end.state === "ran" && before.some(({ state }) => state === "ran" || state === "hit")) {
      return [`${name} computed what was done`];
    }
    return end.state !== "hit" && end.fromStep !== null && end.fromStep < saved
      ? [`${name} began at ${end.fromStep} though ${saved} was saved`]
      : [];
  });
}
