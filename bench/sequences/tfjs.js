// The GPT block and the LSTM step in TensorFlow.js, in the manner of ../workloads/tfjs.js.
import * as tf from "@tensorflow/tfjs";

const T = ({ shape, data }) => tf.tensor(data, shape, "float32");
const variables = (inputs) => Object.fromEntries(Object.entries(inputs).map(([k, v]) => [k, tf.variable(T(v))]));
const one = (t) => tf.tidy(() => t.slice([t.shape[0] >> 1, t.shape[1] >> 1], [1, 1]).dataSync()[0]);

/** Plain SGD on the mean of squared distances. */
function training(forward, target, lr, first) {
  const opt = tf.train.sgd(lr);
  let last;
  return {
    step() {
      last?.dispose();
      last = opt.minimize(() => tf.losses.meanSquaredError(target, forward()), true);
    },
    sync() {
      one(first);
      return last.dataSync()[0];
    },
  };
}

export async function gpt({ heads, block, x, y, lr }) {
  const [batch, times, features] = x.shape;
  x = T(x).reshape([batch * times, features]);
  y = T(y).reshape([batch * times, features]);
  const p = Object.fromEntries(Object.entries(block).map(([name, inputs]) => [name, variables(inputs)]));
  // Added to the scores: nothing where the key is seen.
  const mask = tf.tidy(() =>
    tf.linalg
      .bandPart(tf.ones([times, times]), -1, 0)
      .sub(1)
      .mul(1e9),
  );
  const linear = (h, { w, b }) => h.matMul(w).add(b);
  const norm = (h, { scale, shift }) => {
    const d = h.sub(h.mean(1, true));
    return d.div(d.mul(d).mean(1, true).add(1e-5).sqrt()).mul(scale).add(shift);
  };
  const size = features / heads;
  const split = (h) => h.reshape([batch, times, heads, size]).transpose([0, 2, 1, 3]);
  const gelu = (h) => {
    const inner = h.add(h.mul(h).mul(h).mul(0.044715)).mul(Math.sqrt(2 / Math.PI));
    return h.mul(0.5).mul(inner.tanh().add(1));
  };
  return training(
    () => {
      const [q, k, v] = tf.split(linear(norm(x, p.norm1), p.qkv), 3, 1).map(split);
      const weights = tf
        .matMul(q, k, false, true)
        .mul(1 / Math.sqrt(size))
        .add(mask)
        .softmax();
      const seen = tf
        .matMul(weights, v)
        .transpose([0, 2, 1, 3])
        .reshape([batch * times, features]);
      const h = x.add(linear(seen, p.proj));
      return h.add(linear(gelu(linear(norm(h, p.norm2), p.up)), p.down));
    },
    y,
    lr,
    p.qkv.w,
  );
}

export async function lstm({ cell, x, y, lr }) {
  const [times, batch, inputs] = x.shape;
  const hidden = y.shape[2];
  x = T(x).reshape([times * batch, inputs]);
  y = T(y);
  const { wx, wh, bx, bh } = variables(cell);
  return training(
    () => {
      const ofInputs = x
        .matMul(wx)
        .add(bx.add(bh))
        .reshape([times, batch, 4 * hidden]);
      let h = tf.zeros([batch, hidden]);
      let c = tf.zeros([batch, hidden]);
      const outputs = tf.unstack(ofInputs).map((ofInput) => {
        const [i, f, g, o] = tf.split(ofInput.add(h.matMul(wh)), 4, 1);
        c = f.sigmoid().mul(c).add(i.sigmoid().mul(g.tanh()));
        h = o.sigmoid().mul(c.tanh());
        return h;
      });
      return tf.stack(outputs);
    },
    y,
    lr,
    wx,
  );
}
