// The GPT block and the LSTM step in jax-js, in the manner of ../workloads/jaxjs.js: the whole step under jit.
import { jit, nn, numpy as np, tree, valueAndGrad } from "@jax-js/jax";

const T = ({ shape, data }) => np.array(data, { shape });
const arrays = (inputs) => Object.fromEntries(Object.entries(inputs).map(([k, v]) => [k, T(v)]));
const one = (t) =>
  t.ref
    .reshape([-1])
    .slice(Math.floor(t.size / 2))
    .dataSync()[0];

/** forward(params, x) consumes its arguments. Plain SGD on the mean of squared distances. */
function training(forward, params, { x, y, lr }, first) {
  // By rows first: on webgl, jax-js 0.1.25 sums at most 65,536 elements to one number and leaves out the rest.
  const loss = (params, x, y) => np.mean(np.mean(np.square(forward(params, x).sub(y)), 2));
  const train = jit((params, x, y) => {
    const [value, grads] = valueAndGrad(loss)(tree.ref(params), x, y);
    return [value, tree.map((p, d) => p.sub(d.mul(lr)), params, grads)];
  });
  const [tx, ty] = [T(x), T(y)];
  let value;
  return {
    step() {
      value?.dispose();
      [value, params] = train(params, tx.ref, ty.ref);
    },
    sync() {
      one(first(params));
      return value.ref.dataSync()[0];
    },
  };
}

export async function gpt({ heads, block, ...inputs }) {
  const [batch, times, features] = inputs.x.shape;
  const params = Object.fromEntries(Object.entries(block).map(([name, part]) => [name, arrays(part)]));
  const linear = (h, { w, b }) => np.dot(h, w).add(b);
  const norm = (h, { scale, shift }) => {
    const d = h.ref.sub(np.mean(h, 2, { keepdims: true }));
    const variance = np.mean(np.square(d.ref), 2, { keepdims: true });
    return d
      .div(np.sqrt(variance.add(1e-5)))
      .mul(scale)
      .add(shift);
  };
  const split = (h) => h.reshape([batch, times, heads, features / heads]);
  return training(
    (p, x) => {
      const [q, k, v] = np.split(linear(norm(x.ref, p.norm1), p.qkv), 3, 2).map(split);
      const seen = nn.dotProductAttention(q, k, v, { isCausal: true }).reshape([batch, times, features]);
      const h = x.add(linear(seen, p.proj));
      return h.ref.add(linear(nn.gelu(linear(norm(h, p.norm2), p.up)), p.down));
    },
    params,
    inputs,
    (p) => p.qkv.w,
  );
}

export async function lstm({ cell, ...inputs }) {
  const batch = inputs.x.shape[1];
  const hidden = inputs.y.shape[2];
  return training(
    ({ wx, wh, bx, bh }, x) => {
      const ofInputs = np.dot(x, wx).add(bx.add(bh));
      let h = np.zeros([batch, hidden]);
      let c = np.zeros([batch, hidden]);
      const outputs = np.unstack(ofInputs).map((ofInput) => {
        const [i, f, g, o] = np.split(ofInput.add(np.dot(h, wh.ref)), 4, 1);
        c = nn
          .sigmoid(f)
          .mul(c)
          .add(nn.sigmoid(i).mul(np.tanh(g)));
        h = nn.sigmoid(o).mul(np.tanh(c.ref));
        return h.ref;
      });
      wh.dispose();
      h.dispose();
      c.dispose();
      return np.stack(outputs);
    },
    arrays(cell),
    inputs,
    (p) => p.wx,
  );
}
