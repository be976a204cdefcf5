// Handles show that they hold something secret, and nothing of it.

const inspect = Symbol.for("nodejs.util.inspect.custom");

/** Lets every instance turn into `Name([redacted])`, in strings, in JSON and in the console. */
function redacted(handle) {
  const text = `${handle.name}([redacted])`;
  for (const key of ["toString", "toJSON", inspect]) {
    Object.defineProperty(handle.prototype, key, { value: () => text, configurable: true });
  }
  return handle;
}

exports.redacted = redacted;
