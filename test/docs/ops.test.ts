/**
 * docs/ops.md says what the definitions say. `npm run docs` writes it anew: vitest's `-u` updates a file snapshot.
 */
import { expect, it } from "vitest";
import { definitions } from "../../src/ir/ops/index.ts";
import { opTable } from "./op-table.ts";

it("docs/ops.md is fresh (npm run docs)", async () => {
  await expect(await opTable(definitions)).toMatchFileSnapshot("../../docs/ops.md");
});

it("every definition has a row", async () => {
  const page = await opTable(definitions);
  for (const d of definitions) expect(page).toContain(`| \`${d.name}\``);
});
