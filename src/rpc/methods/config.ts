/**
 * The configuration: what counts and where it comes from, and changes of what can change while the node runs.
 */
import type { ShownSetting } from "../../config/shown.ts";
import { WgmeshError } from "../../core/errors.ts";
import type { ConfigChange } from "../views/config.ts";
import type { MethodRows } from "./method.ts";

export interface ConfigResult {
  readonly file: string | null;
  readonly kept_file: string;
  readonly settings: readonly ShownSetting[];
}

export const configMethods = {
  "config.get": {
    role: "readonly",
    call: ({ view }): ConfigResult => {
      const { file, keptFile, settings } = view.configuration();
      return { file, kept_file: keptFile, settings };
    },
  },

  "config.set": {
    role: "admin",
    changing: true,
    call: ({ view }, { settings, keep }): Promise<ConfigChange> => {
      if (!isObject(settings)) throw wrong("settings");
      if (keep !== undefined && typeof keep !== "boolean") throw wrong("keep");
      return view.setConfig(settings, keep === true);
    },
  },

  "config.unset": {
    role: "admin",
    changing: true,
    call: ({ view }, { keys }): Promise<ConfigChange> => {
      if (!Array.isArray(keys) || !keys.every((key) => typeof key === "string")) throw wrong("keys");
      return view.unsetConfig(keys);
    },
  },
} as const satisfies MethodRows;

const wrong = (name: string): WgmeshError =>
  new WgmeshError("ERR_RPC_PARAMS", `missing or invalid '${name}' parameter`);

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
