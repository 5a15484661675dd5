export const CIFAR_CLASSES = 10;

/** The official split (Krizhevsky 2009). */
export const CIFAR_FACTS = { side: 32, trainCount: 50_000, testCount: 10_000, batchCount: 10_000 } as const;

export const CIFAR_TRAIN_FILES = [1, 2, 3, 4, 5].map((n) => `data_batch_${n}.bin`);
export const CIFAR_TEST_FILES = ["test_batch.bin"];
