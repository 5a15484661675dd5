import { FormatError } from "../format_error.ts";
import type { SafetensorsTensor } from "../safetensors.ts";
import { DTYPES, type SafetensorsArray, type SafetensorsDType } from "../safetensors_dtype.ts";
import { ByteCursor } from "./byte_cursor.ts";
import { describe, PickleList, type PickleWorld, readPickle } from "./pickle.ts";
import { openStoredZip } from "./stored_zip.ts";

/** The pickle of torch's number 0x1950a86a20f9469cfc6c, which files in the legacy format begin with. */
const LEGACY = [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e];
const LEGACY_PROTOCOL = 1001;
const ZIP = [0x50, 0x4b, 3, 4];
/** torch's own limit. */
const MAX_AXES = 64;

class StorageType {
  readonly dtype: SafetensorsDType;
  constructor(dtype: SafetensorsDType) {
    this.dtype = dtype;
  }
}

class Storage {
  readonly key: string;
  readonly dtype: SafetensorsDType;
  /** Elements. */
  readonly length: number;
  data?: SafetensorsArray;
  constructor(key: string, dtype: SafetensorsDType, length: number) {
    this.key = key;
    this.dtype = dtype;
    this.length = length;
  }
}

/** A tensor as a pickle describes it; offset and stride count elements. */
class StorageView {
  readonly storage: Storage;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly stride: readonly number[];
  constructor(storage: Storage, offset: number, shape: readonly number[], stride: readonly number[]) {
    this.storage = storage;
    this.offset = offset;
    this.shape = shape;
    this.stride = stride;
  }
}
