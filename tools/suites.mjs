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
};
