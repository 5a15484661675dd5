/** The version of @tensorflow/tfjs-backend-webgpu in use; a test compares it, so that asking for it loads nothing. */
export const TFJS_WEBGPU_VERSION = "4.22.0";

/** The name under which the package registers its kernels. */
export const BACKEND = "webgpu";
