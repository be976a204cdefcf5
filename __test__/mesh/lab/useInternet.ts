import { useLab } from "../harness/useLab.ts";
import { Internet } from "./internet.ts";

/** An Internet for the tests of one file: gone when they are done; the logs of its nodes are printed with each test that fails. */
export const useInternet = (): Internet => new Internet(useLab());
