import * as tf from "@tensorflow/tfjs-core";

/**
 * Calls `body` with a TF.js backend selected, which must be initialised, and restores the previous one. Synchronous
 * from start to end, because the selected backend is one variable for the whole process.
 */
export function withBackend<T>(name: string, body: () => T): T {
  const previous = tf.getBackend();
  // For a backend that is already made, or made without waiting, TF.js switches before it returns the promise; the
  // promise only repeats that.
  void tf.setBackend(name);
  try {
    return body();
  } finally {
    void tf.setBackend(previous);
  }
}
