/** More than any machine has: how Node.js says that there is no bound. */
const NO_BOUND = 2 ** 60;

/** Bytes that this process and those beside it in its control group may use, such as by `MemoryMax=` of a service; null for no such bound. */
export function memoryCeiling(): number | null {
  const bytes = process.constrainedMemory();
  return bytes > 0 && bytes < NO_BOUND ? bytes : null;
}
