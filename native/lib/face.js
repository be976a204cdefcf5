// Functions and classes of the addon, with errors that have their `code`.

const { attempt, coded } = require("./errors.js");
const { native } = require("./load.js");

/**
 * A function or class of the addon. A class shares its prototype with the native one, so `instanceof` holds. What this
 * platform's binary lacks (netlink on macOS) says so when it is used.
 */
function face(name) {
  const target = native[name];
  if (target === undefined) return missing(name);
  const outer = function (...args) {
    return attempt(name, args, () => (new.target ? Reflect.construct(target, args) : target(...args)));
  };
  Object.defineProperty(outer, "name", { value: name });
  if (target.prototype === undefined) return outer;
  // Static methods make instances of their `this`; bound, they can be handed around like any function.
  copyWrapped(target, outer, name, () => outer);
  copyWrapped(target.prototype, target.prototype, name, (self) => self);
  Object.defineProperty(target.prototype, "constructor", {
    value: outer,
    writable: true,
    configurable: true,
  });
  outer.prototype = target.prototype;
  return outer;
}

/** Stands for a function, or for a class with any static method. */
function missing(name) {
  const refuse = (used) => {
    throw coded("ENOTSUP", `cannot use ${used}: the binary for ${process.platform} does not have it`);
  };
  // A declaration, since an arrow function is no constructor.
  function outer() {
    refuse(name);
  }
  return new Proxy(outer, {
    get: (target, key) =>
      typeof key === "symbol" || key in target ? Reflect.get(target, key) : () => refuse(`${name}.${key}`),
  });
}

/** Puts the methods and getters of `from` on `to`, wrapped; `receiver` tells whose they are called as. */
function copyWrapped(from, to, className, receiver) {
  for (const [key, { value, get, enumerable }] of Object.entries(Object.getOwnPropertyDescriptors(from))) {
    if (key === "constructor") continue;
    const wrap = (inner) =>
      function (...args) {
        return attempt(`${className}.${key}`, args, () => Reflect.apply(inner, receiver(this), args));
      };
    if (get !== undefined) Object.defineProperty(to, key, { get: wrap(get), enumerable, configurable: true });
    else if (typeof value === "function")
      Object.defineProperty(to, key, { value: wrap(value), configurable: true });
  }
}

exports.face = face;
