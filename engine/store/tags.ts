import { join } from "node:path";
import { type TagRecord, tagRecordSchema } from "../../schemas/records.ts";
import { makeFolder, removeTree, writeAtomically } from "./files.ts";
import { entriesOf } from "./reading.ts";
import { readRecord, recordText } from "./records.ts";

/** What may name a tag: it becomes a file name and must not look like a path. */
export const TAG_NAME: RegExp = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** Names that users give to sets of results. What is named is kept. */
export class TagStore {
  constructor(private readonly root: string) {}

  read(name: string): TagRecord | undefined {
    return TAG_NAME.test(name) ? readRecord(this.#pathOf(name), tagRecordSchema) : undefined;
  }

  write(name: string, record: TagRecord): void {
    makeFolder(this.root);
    const path = this.#pathOf(name);
    writeAtomically(path, recordText(path, tagRecordSchema, record));
  }

  remove(name: string): void {
    removeTree(this.#pathOf(name));
  }

  /** Names in code-unit order, also of tags that cannot be read. */
  names(): string[] {
    const names = entriesOf(this.root).flatMap(({ name }) => /^(.+)\.json$/.exec(name)?.[1] ?? []);
    return names.filter((name) => TAG_NAME.test(name)).sort();
  }

  #pathOf(name: string): string {
    return join(this.root, `${name}.json`);
  }
}
