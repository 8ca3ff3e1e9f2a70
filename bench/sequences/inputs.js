// Deterministic inputs of the GPT block and the LSTM step, shared by every engine. Matrices are [in, out].

function uniform(seed, shape, scale) {
  const data = new Float32Array(shape.reduce((p, q) => p * q, 1));
  let a = seed;
  for (let i = 0; i < data.length; i++) {
    // mulberry32, as in ../workloads/inputs.js.
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    data[i] = (((t ^ (t >>> 14)) >>> 0) / 2147483648 - 1) * scale;
  }
  return { shape, data };
}

const fill = (shape, v) => ({ shape, data: new Float32Array(shape.reduce((p, q) => p * q, 1)).fill(v) });
const dense = (seed, i, o) => ({ w: uniform(seed, [i, o], Math.sqrt(3 / i)), b: fill([o], 0) });
const norm = (n) => ({ scale: fill([n], 1), shift: fill([n], 0) });

/** Keys and forms as in WORKLOADS. */
export const SEQUENCES = {
  gpt: {
    fn: "gpt",
    title: "GPT block, B 4, T 128, D 256, 8 heads, train step",
    make: () => ({
      heads: 8,
      block: {
        norm1: norm(256),
        qkv: dense(901, 256, 768),
        proj: dense(902, 256, 256),
        norm2: norm(256),
        up: dense(903, 256, 1024),
        down: dense(904, 1024, 256),
      },
      x: uniform(905, [4, 128, 256], 1),
      y: uniform(906, [4, 128, 256], 1),
      lr: 1,
    }),
  },
  lstm: {
    fn: "lstm",
    title: "LSTM, B 32, T 16, 128 -> 256, train step",
    make: () => ({
      cell: {
        wx: uniform(911, [128, 1024], 1 / 16),
        wh: uniform(912, [256, 1024], 1 / 16),
        bx: uniform(913, [1024], 1 / 16),
        bh: uniform(914, [1024], 1 / 16),
      },
      x: uniform(915, [16, 32, 128], 1),
      y: uniform(916, [16, 32, 256], 1),
      lr: 100,
    }),
  },
};
