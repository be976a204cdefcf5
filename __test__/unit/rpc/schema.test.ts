import { expect, test } from "vitest";
import { type MethodName, methods } from "../../../src/rpc/methods/table.ts";
import { faultsOf } from "./conforms.ts";
import { anyParams, methodContext, vectorView } from "./fixtures.ts";
import { answersFromTypes } from "./schemaFromTypes.ts";

/** Raised when a member is renamed, taken away or given another meaning; not when one is added. */
const VERSION = 1;

test("docs/rpc.schema.json is what the types say", { timeout: 120_000 }, async () => {
  const schema = {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    $id: `urn:wgmesh:rpc:${VERSION}`,
    title: "Answers of wgmeshd, by method",
    description:
      "Made from the types. Members may be added without a new version: ignore those you do not know.",
    type: "object",
    properties: answersFromTypes(),
  };
  expect(Object.keys(schema.properties)).toEqual(Object.keys(methods).sort());
  await expect(`${JSON.stringify(schema, null, 2)}\n`).toMatchFileSnapshot("../../../docs/rpc.schema.json");
});

test.each(Object.keys(methods) as MethodName[])("the answer of %s conforms", async (method) => {
  const answer: unknown = await methods[method].call(methodContext(vectorView()), anyParams);
  // What leaves the daemon: members that are undefined do not.
  expect(faultsOf(method, JSON.parse(JSON.stringify(answer)))).toEqual([]);
});

test.each([
  ["a member that is missing", { active: 1, total: 2 }, "peers.count.dead is missing"],
  ["one too many", { active: 1, total: 2, dead: 1, more: 1 }, "peers.count.more is not in the schema"],
  ["one of another type", { active: "1", total: 2, dead: 1 }, 'peers.count.active: "1" is not number'],
])("%s is found", (_what, answer, fault) => {
  expect(faultsOf("peers.count", answer)).toEqual([fault]);
});
