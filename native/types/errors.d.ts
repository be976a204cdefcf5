/**
 * What is thrown, or a promise rejects with. The message has the form `CODE: cannot <operation> <object>: <reason>`, with the
 * remedy where one is known; it never holds a secret or a key that is secret.
 */
export interface NativeError extends Error {
  /**
   * For programs to match on:
   *
   * - an errno name (`EPERM`, `ENOENT`, `EADDRINUSE`, …) when the system refused;
   * - `EINVAL` also for an argument of the wrong type or out of its range;
   * - `SECRET_*`, `KEY_FILE`, `STATE_*` and `NOT_WIREGUARD` where a function names them;
   * - `ENOTSUP` for what this platform, or this version of Node.js, lacks;
   * - `INTERNAL` for a bug of this package.
   *
   * `require` and `import` of the package itself fail with `ENOTSUP` (platform without a binary, Node.js too old), `ENOENT` (the
   * platform package is not installed), `EVERSION` (it is of another version) or `ERR_DLOPEN_FAILED` (the system cannot load it).
   */
  code: string;
}
