/**
 * What bundlers make of the built package: whichever entry a program imports, its bundle trains in a page, and it holds
 * nothing that a page cannot use. Runs on dist, which `npm test` builds first.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openPage, openStage, type Stage } from "./chromium.ts";
import { readDocument } from "../docs/markdown.ts";
import { bundleProgram, repository } from "./site.ts";

/**
 * What raises it must be worth it. The aim is 60,000; jax-js says 80 kB of itself. Contexts that are lost and come back,
 * plans that are recorded, what is said when memory is short and draws that share a texture raised it from 80,000.
 */
const MOST_BYTES = 92_000;
/**
 * esbuild keeps every member of a namespace that is exported again; bundlers that look into it come to the other. So
 * this one grows with each layer, loss, optimizer and schedule there is: PyTorch's, as of here.
 */
const MOST_BYTES_OF_NAMESPACES = 128_000;

let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.close());

/** The README's program: what a user who trains an MLP ships. */
const mlp = `
import { F, nn, optim, tensor, type Tensor } from "texgrad";
class Net extends nn.Module {
  fc1 = new nn.Linear(784, 128);
  fc2 = new nn.Linear(128, 10);
  forward(x: Tensor): Tensor { return this.fc2.forward(this.fc1.forward(x).relu()); }
}
const net = new Net();
const opt = new optim.Adam(net.parameters(), { lr: 1e-2 });
const row = (i: number): number[] => Array.from({ length: 784 }, (_, j) => (j % 10 === i % 10 ? 1 : 0));
const x = tensor(Array.from({ length: 64 }, (_, i) => row(i)));
const y = tensor(Int32Array.from({ length: 64 }, (_, i) => i % 10), { shape: [64] });
const losses = [];
for (let i = 0; i < 20; i++) {
  const loss = F.crossEntropy(net.forward(x), y);
  opt.zeroGrad();
  loss.backward();
  opt.step();
  losses.push(await loss.item());
}
globalThis.losses = losses;
`;

/** The same with each import by its name. */
const named = mlp
  .replace(
    'import { F, nn, optim, tensor, type Tensor } from "texgrad";',
    `import { tensor, type Tensor } from "texgrad";
import { CrossEntropyLoss, Linear, Module } from "texgrad/nn";
import { Adam } from "texgrad/optim";
const crossEntropy = new CrossEntropyLoss();`,
  )
  .replaceAll(/\b(?:nn|optim)\./g, "")
  .replace("F.crossEntropy(", "crossEntropy.forward(");

/** The smallest programs of each entry: what one of them does not name, its bundle may not lack. */
const programs: Readonly<Record<string, string>> = {
  "texgrad: the MLP": mlp,
  "the MLP by names": named,
  "texgrad: { tensor } alone": `
import { tensor } from "texgrad";
const w = tensor([0.5, -0.5], { requiresGrad: true });
const losses = [];
for (let i = 0; i < 20; i++) {
  const loss = w.mul(tensor([1, 2])).sub(tensor([3, 4])).square().mean();
  w.zeroGrad();
  loss.backward();
  w.requiresGrad_(false);
  w.copy_(w.sub(w.grad.mul(0.1)));
  w.requiresGrad_(true);
  losses.push(await loss.item());
}
globalThis.losses = losses;
`,
  "texgrad/nn: { Linear } alone": `
import { Linear } from "texgrad/nn";
const layer = new Linear(2, 1);
const losses = [];
for (let i = 0; i < 20; i++) {
  layer.zeroGrad();
  const loss = layer.weight.sub(3).square().mean().add(layer.bias.square().mean());
  loss.backward();
  for (const p of layer.parameters()) { p.requiresGrad_(false); p.copy_(p.sub(p.grad.mul(0.1))); p.requiresGrad_(true); }
  losses.push(await loss.item());
}
globalThis.losses = losses;
`,
  "texgrad/nn and texgrad/optim": `
import { Linear } from "texgrad/nn";
import { SGD } from "texgrad/optim";
const layer = new Linear(2, 1);
const opt = new SGD(layer.parameters(), { lr: 0.1 });
const losses = [];
for (let i = 0; i < 20; i++) {
  const loss = layer.weight.sub(3).square().mean().add(layer.bias.square().mean());
  opt.zeroGrad();
  loss.backward();
  opt.step();
  losses.push(await loss.item());
}
globalThis.losses = losses;
`,
  "texgrad: { rand } alone": `
import { rand } from "texgrad";
const x = rand([4]);
globalThis.losses = [await x.sum().item() + 10, await x.sub(x).sum().item()];
`,
  "texgrad/methods, which is imported for its effect": `
import "texgrad/methods";
import { tensor } from "texgrad";
const x = tensor([3, 4]);
globalThis.losses = [await x.hypot(0).sum().item(), (await x.erf().sum().item()) / 4];
`,
  "texgrad/data: a loader alone": `
import { ArrayDataset, DataLoader, drawnDigits, ImageDataset } from "texgrad/data";
const losses = [];
for await (const { x } of new DataLoader(new ImageDataset(drawnDigits({ count: 20 })), { batchSize: 10 })) {
  losses.push(await x.mul(0).add(1 / (losses.length + 1)).mean().item());
}
globalThis.losses = losses;
`,
};

/** So that the browser asks for no other. */
const icon = '<!doctype html><link rel="icon" href="data:,">';

/** Runs the bundle in a page of its own; it leaves its losses behind. */
async function lossesOf(name: string, code: string): Promise<{ losses: number[]; complaints: readonly string[] }> {
  const path = `/bundle-${name.replaceAll(/\W+/g, "-")}`;
  stage.site.texts.set(`${path}.js`, code);
  stage.site.texts.set(`${path}.html`, `${icon}<script type="module" src="${path}.js"></script>`);
  const { page, complaints } = await openPage(stage.browser, `${stage.site.origin}${path}.html`);
  // Uncaught errors end the wait too: the test then shows them.
  while (complaints.length === 0 && !(await page.evaluate(() => "losses" in globalThis))) await page.waitForTimeout(50);
  const losses = await page.evaluate(() => (globalThis as unknown as { losses?: number[] }).losses ?? []);
  await page.close();
  return { losses, complaints };
}

describe.each(Object.keys(programs))("a bundle of %s", (name) => {
  test("trains in Chromium", async () => {
    const { losses, complaints } = await lossesOf(name, await bundleProgram(programs[name]!, { minify: true }));
    expect(complaints).toEqual([]);
    expect(losses.length).toBeGreaterThan(1);
    expect(losses.at(-1)).toBeLessThan(0.7 * losses[0]!);
  });
});

test("the README's page runs, with the library where it was put", async () => {
  const pages = readDocument("README.md").fences.filter(({ language }) => language === "html");
  expect(pages).toHaveLength(1);
  const library = readFileSync(join(repository, "dist/texgrad.min.js"), "utf8");
  const origin = "https://your.server";
  expect(pages[0]!.text).toContain(`"${origin}/texgrad.min.js"`);
  stage.site.texts.set("/texgrad.min.js", library);
  stage.site.texts.set("/readme.html", icon + pages[0]!.text.replaceAll(origin, stage.site.origin));
  const { page, said, complaints } = await openPage(stage.browser, `${stage.site.origin}/readme.html`);
  await page.waitForFunction(() => document.readyState === "complete");
  await expect.poll(() => said, { timeout: 20_000 }).toEqual(["log: Float32Array(3)"]);
  expect(complaints).toEqual([]);
});

describe("the minified bundle of the MLP", () => {
  test("holds nothing of Node, gl, ws or ohm-js", async () => {
    const code = await bundleProgram(mlp, { minify: true });
    const found = code.match(
      /["'`](node:\w+|gl|ws|ohm-js|fs|path|module)["'`]|\b(require|createRequire)\(|\bprocess\.\w+/g,
    );
    expect(found).toBeNull();
  });

  test.each([
    ["by names", named, MOST_BYTES],
    ["by namespaces", mlp, MOST_BYTES_OF_NAMESPACES],
  ])("%s is small", async (how, program, most) => {
    const bytes = gzipSync(await bundleProgram(program, { minify: true }), { level: 9 }).length;
    console.log(`the MLP's bundle, imported ${how}: ${bytes} bytes minified and gzipped, at most ${most}`);
    expect(bytes).toBeLessThanOrEqual(most);
  });
});
