/**
 * The test suites by name: what vitest runs for each. `npm test` runs those marked; the others are slower.
 */
export const suites = {
  unit: {
    inNpmTest: true,
    filters: [],
    options: ["--exclude", "test/browser/**"],
    env: {},
  },
  // What a user does, on headless GL: `unit` has run the same files on the evaluator.
  webgl: {
    inNpmTest: true,
    filters: ["test/nn/", "test/optim/", "test/trace/", "test/train/scenarios"],
    options: ["--testTimeout", "120000"],
    env: { TEXGRAD_TEST_DEVICE: "webgl" },
  },
  browser: {
    inNpmTest: true,
    filters: ["test/browser/"],
    options: [],
    env: {},
  },
  // The same files as in `unit`, which read this number and run a small part of the graphs without it.
  graphs: {
    inNpmTest: false,
    filters: ["test/graphs/"],
    options: ["--testTimeout", "2400000"],
    env: { TEXGRAD_GRAPHS: "2000" },
  },
  // Contexts that can do less. What the kernels compute must not depend on it; each limit is in one of the two.
  "limits-1": limited({ maxDrawBuffers: 1, maxTextureSize: 2048, maxTextureUnits: 8 }, [
    "test/ops/functions",
    "test/nn/",
    "test/optim/optimizer",
    "test/trace/",
  ]),
  "limits-4": limited({ maxDrawBuffers: 4, maxTextureSize: 4096, maxTextureUnits: 8 }, ["test/nn/spatial"]),
};

/** Every op of the fixtures, every layer, goldens, random graphs and trainings on a context with these limits. */
function limited(options, more) {
  const ops = ["test/ops/fixtures", "test/ops/layer", "test/ops/extremes"];
  return {
    inNpmTest: false,
    filters: [...ops, "test/golden/", "test/graphs/r", "test/train/scenarios", ...more],
    options: ["--testTimeout", "120000"],
    env: { TEXGRAD_TEST_DEVICE: "webgl", TEXGRAD_TEST_LIMITS: JSON.stringify(options) },
  };
}
