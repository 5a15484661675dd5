import type { PublishedFile } from "./published.ts";

/** The official split (Krizhevsky 2009). */
export const CIFAR_FACTS = { side: 32, trainCount: 50_000, testCount: 10_000, batchCount: 10_000 } as const;

export const CIFAR_TRAIN_FILES = [1, 2, 3, 4, 5].map((n) => `data_batch_${n}.bin`);
export const CIFAR_TEST_FILES = ["test_batch.bin"];

/** The binary version at https://www.cs.toronto.edu/~kriz/cifar.html, whose MD5 is c32a1d4ab5d03f1284b67883e8d87530. */
export const CIFAR_ARCHIVE: PublishedFile = {
  name: "cifar-10-binary.tar.gz",
  sha256: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
  bytes: 170_052_171,
};

/** The page's address, and the one that it has been seen to redirect to. */
export const CIFAR_HOMES = ["https://www.cs.toronto.edu/~kriz/", "https://cave.cs.toronto.edu/kriz/"];
