// Errors as they leave the package: `CODE: cannot <operation> <object>: <reason>`, the code as a property too.

/** An error of our own. */
function coded(code, text) {
  return Object.assign(new Error(`${code}: ${text}`), { code });
}

/** Gives an error of the addon its `code`, which stands before the first colon; one without comes from napi, which refused an argument. */
function withCode(error, name) {
  const prefix = /^([A-Z][A-Z0-9_]*): /.exec(error.message);
  if (prefix !== null) return Object.assign(error, { code: prefix[1] });
  return coded("EINVAL", `cannot call ${name}: ${withoutValue(error.message)}`);
}

/** napi shows the value it refused, which may be a key in the wrong wrapping; its type is enough. The error's stack has it too. */
function withoutValue(message) {
  return message.replace(/JavaScript value `(\w+)[\s\S]*` into/, "JavaScript value of type $1 into");
}

/**
 * Runs a call into the addon with these arguments; what it throws, or the promise it returns rejects with, gets its `code`. Every
 * number of this package is a whole one, and napi would cut off what is not.
 */
function attempt(name, args, call) {
  const broken = args.find((value) => typeof value === "number" && !Number.isSafeInteger(value));
  if (broken !== undefined) throw coded("EINVAL", `cannot call ${name}: ${broken} is no whole number`);
  let result;
  try {
    result = call();
  } catch (error) {
    throw withCode(error, name);
  }
  if (!(result instanceof Promise)) return result;
  return result.catch((error) => {
    throw withCode(error, name);
  });
}

/**
 * Refuses options that are no object, and members that are not `known`: a misspelt one would be left out in silence.
 * What it returns is safe to take members from.
 */
function checkedOptions(operation, options, known) {
  if (options === undefined) return {};
  if (typeof options !== "object" || options === null) {
    throw coded("EINVAL", `cannot ${operation}: the options are no object`);
  }
  const stranger = Object.keys(options).find((name) => !known.includes(name));
  if (stranger === undefined) return options;
  throw coded("EINVAL", `cannot ${operation}: there is no option ${stranger}, only ${known.join(", ")}`);
}

/** A number of 32 bits as it was given: napi would take a larger or a negative one for another. */
function unsigned(operation, name, value) {
  if (typeof value !== "number" || (value >= 0 && value <= 0xffff_ffff)) return value;
  throw coded("EINVAL", `cannot ${operation}: ${name} ${value} is not in 0..4294967295`);
}

exports.coded = coded;
exports.attempt = attempt;
exports.checkedOptions = checkedOptions;
exports.unsigned = unsigned;
exports.withCode = withCode;
