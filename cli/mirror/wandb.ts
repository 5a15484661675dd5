import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { dirname, join } from "node:path";
import protobuf from "protobufjs/minimal.js";
import { type Figure, makeFolder, type Tracker } from "./mirror.ts";

/**
 * Writes a run as the folder that W&B's client writes when it is offline; `wandb sync FOLDER` sends it. The file is a
 * log as LevelDB writes it (google/leveldb, doc/log_format.md) with W&B's header; each record is a message `Record` of
 * wandb_internal.proto (wandb 0.21 to 0.31).
 *
 * @param root folder for `wandb/offline-run-TIME-RUN`
 */
export function wandbTracker(root: string): Tracker {
  let folder = "";
  let file = "";
  let size = 0;
  let number = 0;
  let row = 0;
  const summary = new Map<string, unknown>();
  const append = async (...bytes: Uint8Array<ArrayBuffer>[]) => {
    const all = new Uint8Array(await new Blob(bytes).arrayBuffer());
    await Deno.writeFile(file, all, { append: true });
    size += all.length;
  };
  const record = async (field: number, write: (message: Writer) => void) => {
    const message = Writer.create().uint32(tag(RECORD.num, VARINT)).int64(++number).uint32(tag(field, LENGTH)).fork();
    write(message);
    await append(...logged(message.ldelim().finish(), size));
  };
  /** Steps of a stage are its own; W&B numbers rows, and charts them by the stage's steps. */
  const history = (values: Readonly<Record<string, unknown>>, atMs: number) =>
    record(RECORD.history, (message) => {
      for (const [key, value] of Object.entries(values)) summary.set(key, value);
      items(message, { ...values, _step: row, _timestamp: atMs / 1000 });
      message.uint32(tag(2, LENGTH)).fork().uint32(tag(1, VARINT)).int64(row++).ldelim();
    });
  const stages = new Set<string>();
  const define = async (stage: string) => {
    if (stages.has(stage)) return;
    stages.add(stage);
    await record(
      RECORD.metric,
      (message) => message.uint32(tag(2, LENGTH)).string(`${stage}/*`).uint32(tag(4, LENGTH)).string(`${stage}/step`),
    );
  };
  const put = async (path: string, bytes: Uint8Array<ArrayBuffer>) => {
    const place = join(folder, "files", path);
    await Deno.mkdir(dirname(place), { recursive: true });
    await Deno.writeFile(place, bytes);
    await record(
      RECORD.files,
      (message) =>
        message.uint32(tag(1, LENGTH)).fork().uint32(tag(1, LENGTH)).string(path).uint32(tag(2, VARINT)).int32(AT_END)
          .ldelim(),
    );
  };
  return {
    async begin({ runId, pipeline, params, startedMs }) {
      const time = new Date(startedMs).toISOString().replaceAll(/[-:]/g, "").replace("T", "_").slice(0, 15);
      folder = join(root, "wandb", `offline-run-${time}-${runId}`);
      file = join(folder, `run-${runId}.wandb`);
      await makeFolder(join(folder, "files"));
      await Deno.writeFile(file, HEADER);
      size = HEADER.length;
      await record(
        RECORD.header,
        (message) =>
          message.uint32(tag(1, LENGTH)).fork().uint32(tag(1, LENGTH)).string(VERSION).uint32(tag(2, LENGTH)).string(
            "0.0.1",
          )
            .ldelim(),
      );
      await record(RECORD.run, (message) => {
        message.uint32(tag(1, LENGTH)).string(runId).uint32(tag(3, LENGTH)).string(pipeline).uint32(tag(4, LENGTH))
          .fork();
        items(message, params).ldelim().uint32(tag(8, LENGTH)).string(runId).uint32(tag(17, LENGTH)).fork();
        message.uint32(tag(1, VARINT)).int64(Math.floor(startedMs / 1000)).ldelim();
      });
    },
    async figures(figures) {
      for (const [key, some] of Map.groupBy(figures, ({ name, step }) => `${stageOf(name)}/step ${step}`)) {
        const [{ name, step, atMs }] = some as [Figure];
        await define(stageOf(name));
        const values = some.map(({ name, value }) => [name, value]);
        await history({ ...Object.fromEntries(values), [key.replace(/ .*$/, "")]: step }, atMs);
      }
    },
    async file(name, bytes, step) {
      if (step === undefined) return await put(name, bytes);
      const [stage] = [stageOf(name)];
      await define(stage);
      const path = `media/images/${name.replace(/\.png$/, "")}_${row}.png`;
      await put(path, bytes);
      const sizes = new DataView(bytes.buffer, bytes.byteOffset + 16, 8);
      const sha256 = createHash("sha256").update(bytes).digest("hex");
      const shape = { width: sizes.getUint32(0), height: sizes.getUint32(4), format: "png" };
      const image = { _type: "image-file", path, sha256, size: bytes.length, ...shape };
      await history({ [name.replace(/\.png$/, "")]: image, [`${stage}/step`]: step }, Date.now());
    },
    async end(status) {
      await record(RECORD.summary, (message) => items(message, Object.fromEntries(summary)));
      await record(RECORD.exit, (message) => message.uint32(tag(1, VARINT)).int32(status === "done" ? 0 : 1));
    },
  };
}

const { Writer } = protobuf;
type Writer = protobuf.Writer;

/** The release of W&B's client whose files are written. */
const VERSION = "0.21.4";

/** Fields of `Record`. */
const RECORD = { num: 1, history: 2, summary: 3, files: 6, metric: 12, run: 17, exit: 18, header: 21 } as const;
/** Fields of the items of configurations, rows and summaries. */
const [KEY, VALUE_JSON] = [1, 16];
/** The policy of files that are sent at the end. */
const AT_END = 1;

/** Wire types of protocol buffers. */
const [VARINT, LENGTH] = [0, 2];

function tag(number: number, wire: number): number {
  return number * 8 + wire;
}

/** Writes values by name, as the first field. */
function items(message: Writer, values: Readonly<Record<string, unknown>>): Writer {
  for (const [key, value] of Object.entries(values)) {
    message.uint32(tag(1, LENGTH)).fork().uint32(tag(KEY, LENGTH)).string(key).uint32(tag(VALUE_JSON, LENGTH))
      .string(JSON.stringify(value)).ldelim();
  }
  return message;
}

function stageOf(name: string): string {
  return name.slice(0, name.lastIndexOf("/"));
}

/** `:W&B`, a number and the version of the format. */
const HEADER = Uint8Array.of(0x3a, 0x57, 0x26, 0x42, 0xe1, 0xbe, 0);

const BLOCK = 32_768;
const RECORD_HEADER = 7;
/** Kinds of records: a whole one, or the first, middle and last part of one that goes on in the next block. */
const [FULL, FIRST, MIDDLE, LAST] = [1, 2, 3, 4] as const;

/** Cuts a record into the blocks of a log. @param offset where in the file it begins */
function logged(data: Uint8Array, offset: number): Uint8Array<ArrayBuffer>[] {
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  for (let at = 0, isFirst = true; isFirst || at < data.length; isFirst = false) {
    let room = BLOCK - offset % BLOCK;
    if (room < RECORD_HEADER) {
      pieces.push(new Uint8Array(room));
      offset += room;
      room = BLOCK;
    }
    const part = data.slice(at, at + room - RECORD_HEADER);
    at += part.length;
    const isLast = at === data.length;
    const type = isFirst ? isLast ? FULL : FIRST : isLast ? LAST : MIDDLE;
    const head = new DataView(new ArrayBuffer(RECORD_HEADER));
    head.setUint32(0, crc32(part, crc32(Uint8Array.of(type))), true);
    head.setUint16(4, part.length, true);
    head.setUint8(6, type);
    pieces.push(new Uint8Array(head.buffer), part);
    offset += RECORD_HEADER + part.length;
  }
  return pieces;
}
