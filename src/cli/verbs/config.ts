/**
 * `wgmesh config`: what a node is configured to do, and where each value comes from (row G4).
 */
import type { Command } from "commander";
import { jsonSchema } from "../../config/jsonSchema.ts";
import { sampleText } from "../../config/sample.ts";
import { jsonText } from "../render.ts";
import type { Terminal } from "../terminal.ts";
import { addConfigChanges } from "./configChanges.ts";
import { addConfigCheck } from "./configCheck.ts";
import { addConfigShow } from "./configShow.ts";

export function addConfig(program: Command, terminal: Terminal): void {
  const config = program.command("config").description("show, check and change the configuration");
  addConfigShow(config, terminal);
  addConfigCheck(config, terminal);
  addConfigChanges(config, terminal);
  config
    .command("sample")
    .description("print a configuration file with every setting explained")
    .action(() => terminal.out(sampleText()));
  config
    .command("schema")
    .description("print the JSON Schema of the configuration file")
    .action(() => terminal.out(jsonText(jsonSchema())));
}
