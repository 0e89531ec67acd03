import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { documentBenches } from "./document.ts";
import { compare } from "./harness.ts";

let folder: string;
let page: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "document-"));
  page = join(folder, "page.md");
});
afterEach(() => rm(folder, { recursive: true }));

async function writeReport(name: string, ms: number): Promise<void> {
  const ours = { name: "ours", run: async () => ms };
  const report = {
    name,
    date: "2030-01-02T03:04:05.000Z",
    machine: { cpu: "A CPU", cores: 2, platform: "linux x64", node: "v24.9.0" },
    comparisons: [await compare({ name: "work", ours, peers: [], rounds: 1 })],
    records: { "loss (nats)": 5.5 },
    notes: ["A peer is missing."],
  };
  await writeFile(join(folder, `${name}.json`), JSON.stringify(report));
}

test("fills the blocks of a page, and only them", async () => {
  await writeReport("one", 3);
  await writeFile(page, "Before.\n<!-- bench:one -->\nold numbers\n<!-- /bench -->\nAfter.\n");
  expect(await documentBenches(page, folder)).toEqual(["one"]);
  const text = await readFile(page, "utf8");
  expect(text).toMatch(
    /^Before\.\n<!-- bench:one -->\n\n`npm run bench -- one` on 2030-01-02: A CPU, 2 cores/,
  );
  expect(text).toContain("work, 1 rounds\n");
  expect(text).toContain("loss (nats): 5.50\n```\n\nA peer is missing.\n");
  expect(text).toMatch(/<!-- \/bench -->\nAfter\.\n$/);
  expect(text).not.toContain("old numbers");
});

test("replaces what it wrote before", async () => {
  await writeFile(page, "<!-- bench:one -->\n<!-- /bench -->\n");
  await writeReport("one", 3);
  await documentBenches(page, folder);
  await writeReport("one", 4);
  await documentBenches(page, folder);
  const text = await readFile(page, "utf8");
  expect(text).toContain("4.00 .. 4.00");
  expect(text).not.toContain("3.00");
});

test("replaces the tables of those that are named", async () => {
  await writeReport("one", 3);
  await writeFile(page, "<!-- bench:one -->\n<!-- /bench --><!-- bench:two -->\nold\n<!-- /bench -->\n");
  expect(await documentBenches(page, folder, ["one"])).toEqual(["one"]);
  const text = await readFile(page, "utf8");
  expect(text).toContain("3.00");
  expect(text).toContain("<!-- bench:two -->\nold\n<!-- /bench -->");
  await expect(documentBenches(page, folder, ["three"])).rejects.toThrow(
    'no place for "three", expected one of one, two',
  );
});

test("says which bench to run, and leaves the page as it is", async () => {
  await writeFile(page, "<!-- bench:missing -->\nold\n<!-- /bench -->\n");
  await expect(documentBenches(page, folder)).rejects.toThrow("Run it first: npm run bench -- missing");
  expect(await readFile(page, "utf8")).toContain("old");
});
