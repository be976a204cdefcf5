/**
 * Settings as they are shown: by `config show`, and in the answer of `config.get`.
 */
import { type Layer, type Origin, originText, type PlainValue, plainValue, sameValue } from "./layers.ts";
import type { ReloadClass } from "./optionRow.ts";
import { schema } from "./schema.ts";

export interface ShownSetting {
  readonly key: string;
  /** Table of the configuration file. */
  readonly table: string;
  readonly value: PlainValue;
  readonly origin: Origin["kind"];
  /** The origin in words: `file:line`, the variable, the flag. */
  readonly from: string;
  readonly change: ReloadClass;
  /** The value from the next start on, where that is another one. */
  readonly next?: PlainValue;
}

/** @param next the values of the next start. */
export function shownSettings(settings: Layer, next: Layer): ShownSetting[] {
  return [...schema.values()].map(({ key, table, row, reload }) => {
    const { value, origin } = settings.get(key) ?? { value: row.default, origin: { kind: "default" } };
    const later = next.get(key)?.value ?? row.default;
    return {
      key,
      table,
      value: plainValue(value),
      origin: origin.kind,
      from: originText(origin),
      change: reload,
      ...(sameValue(value, later) ? {} : { next: plainValue(later) }),
    };
  });
}
