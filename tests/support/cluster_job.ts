import { execute, ToldQueue } from "./cluster.ts";

/** Executes a part as a job that has a process of its own. Prints what happens as JSON lines, the end last. */
const [folder, digest, part, id] = Deno.args as [string, string, string, string];
// deno-lint-ignore no-console
const tell = (event: Readonly<Record<string, unknown>>) => console.log(JSON.stringify(event));
const { code, end } = await execute({ folder, digest }, Number(part), {
  queue: new ToldQueue({ id, attempt: 0 }),
  emit: (event) => {
    if (event.type === "stage-saved") tell({ type: event.type, step: event.step });
    if (event.type === "stage-waiting") tell({ type: event.type, holder: event.holder });
  },
  pace: 0.1,
});
tell({ type: "ended", code, state: end?.state, fromStep: end?.fromStep });
