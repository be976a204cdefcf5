import { afterAll, afterEach } from "vitest";
import { Lab } from "./lab.ts";

/** A lab for the tests of one file: gone when they are done; its logs are printed with each test that fails. */
export function useLab(): Lab {
  const lab = new Lab();
  afterEach(({ task }) => {
    const news = lab.describe();
    if (task.result?.state === "fail" && news !== "") console.error(news);
  });
  afterAll(() => lab.dispose());
  return lab;
}
