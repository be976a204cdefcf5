/**
 * What HTTP tells too.
 */
import type { Health } from "../../observe/health.ts";
import type { MethodRows } from "./method.ts";

export interface MetricsResult {
  /** Of `text`, as HTTP has it. */
  readonly content_type: string;
  readonly text: string;
}

export const healthMethods = {
  "health.get": {
    role: "readonly",
    call: ({ view }): Health => view.health(),
  },

  "metrics.get": {
    role: "readonly",
    call: ({ view }): MetricsResult => {
      const { contentType, text } = view.metrics();
      return { content_type: contentType, text };
    },
  },
} as const satisfies MethodRows;
