import { afterAll, afterEach } from "vitest";
import { Lab } from "./lab.ts";

/** A lab for the tests of one file: gone when they are done; its logs are printed with each test that fails. */
export function useLab(): Lab {
  const lab = new Lab();
  afterEach(({ task }) => {
    if (task.result?.state === "fail") console.error(lab.describe());
  });
  afterAll(() => lab.dispose());
  return lab;
}
