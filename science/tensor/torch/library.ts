import type { ConstantData, ElementType, Shape } from "../trace/graph.ts";
import { sizeOf } from "../trace/graph.ts";
import { libraryIn, SETUP_TORCH, TORCH_VERSION } from "./installation.ts";

/**
 * PyTorch's C interface: `torch/csrc/inductor/aoti_torch/c/shim.h` and `torch/csrc/stable/c/shim.h`. Every function
 * returns 0, or another number after an exception. Tensors are handles, addresses of objects on the library's heap.
 *
 * A process that may load libraries from one folder alone may not use Deno's pointers, so buffers are passed as they
 * are, and the library's memory is read and written by a function of C.
 */
const SYMBOLS = {
  aoti_torch_abi_version: of("", "u64"),
  aoti_torch_dtype_float32: of(""),
  aoti_torch_dtype_float64: of(""),
  aoti_torch_dtype_bfloat16: of(""),
  aoti_torch_dtype_int32: of(""),
  aoti_torch_dtype_int64: of(""),
  aoti_torch_dtype_bool: of(""),
  aoti_torch_device_type_cpu: of(""),
  aoti_torch_device_type_cuda: of(""),
  aoti_torch_grad_mode_set_enabled: of("?", "void"),
  aoti_torch_create_tensor_from_blob: of("blbblwwwb"),
  aoti_torch_empty_strided: of("lbbwwwb"),
  aoti_torch__reinterpret_tensor: of("tlbblb"),
  aoti_torch_new_tensor_handle: of("tb"),
  aoti_torch_delete_tensor_object: of("t"),
  aoti_torch_copy_: of("ttw"),
  aoti_torch_clone: of("tb"),
  aoti_torch_get_data_ptr: of("tb"),
  aoti_torch_get_dim: of("tb"),
  aoti_torch_get_size: of("tlb"),
  aoti_torch_get_stride: of("tlb"),
  torch_call_dispatcher: of("bbbt"),
  torch_new_list_reserve_size: of("tb"),
  torch_list_push_back: of("tt"),
  torch_new_stable_ivalue: of("b"),
  torch_exception_get_what_without_backtrace: of("", "u64"),
  torch_get_num_threads: of("b"),
  // Kernels whose arguments are numbers: the dispatcher takes none of type `Scalar`, and builds a list at each call.
  aoti_torch_cpu_add_Tensor: of("ttdb"),
  aoti_torch_cpu_mul_Tensor: of("ttb"),
  aoti_torch_cpu_reshape: of("tblb"),
  aoti_torch_cpu_permute: of("tblb"),
  aoti_torch_cpu_narrow: of("tlllb"),
  aoti_torch_cpu_slice_Tensor: of("tlbblb"),
  aoti_torch_cpu_pad: of("tblbbb"),
  aoti_torch_cpu_cat: of("bllb"),
  aoti_torch_cpu_convolution: of("ttbblblblwbllb"),
  aoti_torch_cpu_convolution_backward: of("ttttlblblblwbllblbbb"),
  aoti_torch_cpu_avg_pool2d: of("tblblblwwbb"),
  aoti_torch_cpu_avg_pool3d: of("tblblblwwbb"),
  aoti_torch_cpu_max_pool2d_with_indices: of("tblblblblwbb"),
  aoti_torch_cpu_max_pool3d_with_indices: of("tblblblblwbb"),
  // Functions of C and of OpenMP, which PyTorch's library is linked with.
  readMemory: { name: "memcpy", ...of("btt", "u64") },
  writeMemory: { name: "memcpy", ...of("tbt", "u64") },
  strlen: of("t", "u64"),
  omp_set_num_threads: of("w", "void"),
  mallopt: { ...of("ww"), optional: true },
} satisfies Deno.ForeignLibraryInterface;

/** @param parameters a letter for each: a tensor or another 64 bits, a buffer, a long, a word of 32 bits, a double */
function of(parameters: string, result: Deno.NativeResultType = "i32") {
  const types = { t: "u64", b: "buffer", l: "i64", w: "i32", d: "f64", "?": "bool" } as const;
  return { parameters: [...parameters].map((letter) => types[letter as keyof typeof types]), result };
}

/** A tensor in the library's memory. Who gets one has to free it. */
export type Handle = bigint;

/** An argument or result of an operation that is called by its name: 64 bits, whose meaning is in its schema. */
type Word = bigint;

type Kernel = Extract<keyof typeof SYMBOLS, `aoti_torch_${string}`>;
export type Argument = bigint | number | boolean | ArrayBufferView | null;

export type Torch = ReturnType<typeof bind>;

const opened = new Map<string, Torch>();

/** The same functions for cards. */
const CARD_SYMBOLS = Object.fromEntries(
  Object.entries(SYMBOLS).map(([key, symbol]) => [key, { name: key.replace("_cpu_", "_cuda_"), ...symbol }]),
);

/**
 * Opens the library, once for the process.
 * @param onCard true for kernels that compute on a card
 * @throws Error when the library cannot be loaded or has another version
 */
export function openTorch(folder: string, onCard = false): Torch {
  const path = libraryIn(folder, onCard);
  return opened.getOrInsertComputed(path, () => {
    const cannot = (why: string, cause?: unknown) =>
      new Error(`Cannot load PyTorch from ${path}: ${why}. Fix: ${SETUP_TORCH} --force`, { cause });
    let symbols;
    try {
      symbols = Deno.dlopen(path, onCard ? CARD_SYMBOLS : SYMBOLS).symbols as unknown as Symbols;
    } catch (error) {
      throw cannot((error as Error).message.replace(/^Could not open library: /, ""), error);
    }
    const version = symbols.aoti_torch_abi_version() as bigint;
    const [major, minor, patch] = [56n, 48n, 40n].map((shift) => version >> shift & 0xffn);
    const got = `${major}.${minor}.${patch}`;
    if (got !== TORCH_VERSION) throw cannot(`got version ${got}, wanted ${TORCH_VERSION}`);
    return bind(symbols, version, onCard);
  });
}

/** Options of glibc's `mallopt`, which other systems lack. */
const [TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD] = [-1, -2, -3] as const;

type Symbols = Readonly<Record<keyof typeof SYMBOLS, (...args: Argument[]) => unknown>>;

function bind(symbols: Symbols, version: bigint, onCard: boolean) {
  const cpu = symbols.aoti_torch_device_type_cpu() as number;
  const device = onCard ? symbols.aoti_torch_device_type_cuda() as number : cpu;
  const typeOf = (name: Exclude<ElementType, "uint32">) => symbols[`aoti_torch_dtype_${name}`]() as number;
  const dtypes: Readonly<Record<ElementType, number>> = {
    ...{ float32: typeOf("float32"), float64: typeOf("float64"), bfloat16: typeOf("bfloat16") },
    // No value is recorded in uint32 here.
    ...{ int32: typeOf("int32"), uint32: typeOf("int32"), int64: typeOf("int64"), bool: typeOf("bool") },
  };
  // glibc gives memory that a step has freed back to the kernel, and asks for it again in the next step, unless it is
  // told to keep up to 2 GiB of it, and to map only blocks above 32 MiB one by one.
  const kept = [[TRIM_THRESHOLD, 2 ** 31 - 1], [TOP_PAD, 2 ** 28], [MMAP_THRESHOLD, 2 ** 25]] as const;
  for (const [option, bytes] of kept) (symbols as Partial<Symbols>).mallopt?.(option, bytes);
  // Gradients are part of the traced function.
  symbols.aoti_torch_grad_mode_set_enabled(false);
  const cells = [0, 0, 0].map(() => new BigUint64Array(1));
  const first = cells[0]!;
  const stack = new BigUint64Array(16);
  const bits = new DataView(new ArrayBuffer(8));
  const names = new Map<string, readonly Uint8Array[]>();
  /** An operation's name and its overload's, as C has texts. */
  const textsOf = (name: string) =>
    names.getOrInsertComputed(name, () => {
      const [operation, overload = ""] = name.split(".");
      return [operation, overload].map((text) => new TextEncoder().encode(`${text}\0`));
    });

  const check = (code: unknown): void => {
    if (code === 0) return;
    const from = symbols.torch_exception_get_what_without_backtrace() as bigint;
    const bytes = new Uint8Array(from === 0n ? 0 : Number(symbols.strlen(from)));
    if (from !== 0n) symbols.readMemory(bytes, from, BigInt(bytes.length));
    throw new Error(new TextDecoder().decode(bytes).trim() || "it says nothing");
  };
  /** Calls a kernel whose last arguments are where its results go. */
  const kernel = (name: Kernel, ...args: Argument[]): Handle => {
    check(symbols[name](...args, first));
    return first[0]!;
  };
  const free = (tensor: Handle): void => void symbols.aoti_torch_delete_tensor_object(tensor);

  /** Calls an operation with several results. */
  const results = (count: number, name: string, ...words: Word[]): Handle[] => {
    const [operation, overload] = textsOf(name) as [Uint8Array, Uint8Array];
    for (let i = 0; i < words.length; i++) stack[i] = words[i]!;
    check(symbols.torch_call_dispatcher(operation, overload, stack, version));
    return Array.from({ length: count }, (_, i) => stack[i]!);
  };

  // Sets the number of threads that OpenMP starts with, so that it does not do so in the first kernel.
  check(symbols.torch_get_num_threads(first));

  const torch = {
    dtypes,
    free,
    kernel,
    /** Calls a kernel with several results, some of which it may leave out. */
    several(count: 2 | 3, name: Kernel, ...args: Argument[]): Handle[] {
      const places = cells.slice(0, count);
      for (const place of places) place[0] = 0n;
      check(symbols[name](...args, ...places));
      return places.map((place) => place[0]!);
    },
    /** Calls an operation, such as `aten::mm` or `aten::sum.dim_IntList`. Tensors among its words are given away. */
    call: (name: string, ...words: Word[]): Handle => results(1, name, ...words)[0]!,
    results,
    /** Makes a tensor where kernels compute: on the processor of the array's own memory, as `view` does. */
    put(array: ConstantData | Float64Array, type: ElementType, shape: Shape): Handle {
      const host = torch.view(array, type, shape);
      if (!onCard) return host;
      const there = torch.empty(type, shape, shape.map((_, axis) => axis));
      torch.copy(there, host);
      free(host);
      return there;
    },
    /** Makes a tensor of some elements of another, from `start` on. */
    part(whole: Handle, shape: Shape, start = 0): Handle {
      const [rank, strides] = [BigInt(shape.length), longs(stridesOf(shape))];
      return kernel("aoti_torch__reinterpret_tensor", whole, rank, longs(shape), strides, BigInt(start));
    },
    /** Makes a tensor of an array's own memory. The array has to stay as long as the tensor. */
    view(array: ConstantData | Float64Array, type: ElementType, shape: Shape): Handle {
      const [rank, sizes, strides] = [BigInt(shape.length), longs(shape), longs(stridesOf(shape))];
      return kernel("aoti_torch_create_tensor_from_blob", array, rank, sizes, strides, 0n, dtypes[type], cpu, 0);
    },
    /** Makes a tensor with any contents, whose axes are in memory in the given order. */
    empty(type: ElementType, shape: Shape, order: readonly number[]): Handle {
      const inOrder = stridesOf(order.map((axis) => shape[axis]!));
      const strides = shape.map((_, axis) => inOrder[order.indexOf(axis)]!);
      const rank = BigInt(shape.length);
      return kernel("aoti_torch_empty_strided", rank, longs(shape), longs(strides), dtypes[type], device, 0);
    },
    copy: (to: Handle, from: Handle): void => check(symbols.aoti_torch_copy_(to, from, 0)),
    shapeOf(tensor: Handle): number[] {
      const rank = Number(kernel("aoti_torch_get_dim", tensor));
      return Array.from({ length: rank }, (_, axis) => Number(kernel("aoti_torch_get_size", tensor, BigInt(axis))));
    },
    /** Sets the number of threads of the kernels that this thread calls. */
    useThreads: (count: number): void => void symbols.omp_set_num_threads(count),

    // Words of arguments, by their types in schemas.
    /** A `Tensor`; the caller keeps its own handle. */
    tensor(tensor: Handle): Word {
      // Not by `kernel`: Deno calls a function of known arguments several times as fast.
      check(symbols.aoti_torch_new_tensor_handle(tensor, first));
      return first[0]!;
    },
    /** An `int` or a `ScalarType`. */
    int: (value: number): Word => BigInt.asUintN(64, BigInt(value)),
    bool: (value: boolean): Word => value ? 1n : 0n,
    float(value: number): Word {
      bits.setFloat64(0, value, true);
      return bits.getBigUint64(0, true);
    },
    /** An `int[]` or a `Tensor[]`. */
    list(words: readonly Word[]): Word {
      check(symbols.torch_new_list_reserve_size(BigInt(words.length), first));
      const list = first[0]!;
      for (const word of words) check(symbols.torch_list_push_back(list, word));
      return list;
    },
    /** A value of an optional type. */
    some(word: Word): Word {
      check(symbols.torch_new_stable_ivalue(first));
      const place = first[0]!;
      first[0] = word;
      symbols.writeMemory(place, first, 8n);
      return place;
    },
    none: 0n,
  };
  return torch;
}

/** Returns integers as an argument `int64_t*`. */
export function longs(values: readonly number[]): BigInt64Array<ArrayBuffer> {
  // `from` takes several times as long.
  const integers = new BigInt64Array(values.length);
  for (let i = 0; i < values.length; i++) integers[i] = BigInt(values[i]!);
  return integers;
}

function stridesOf(shape: Shape): number[] {
  return shape.map((_, axis) => sizeOf(shape.slice(axis + 1)));
}
