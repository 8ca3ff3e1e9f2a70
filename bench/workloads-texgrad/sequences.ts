/** The GPT block and the LSTM step of ../sequences in texgrad. */
import { F, nn, optim, type Tensor } from "texgrad";
import { linear, type Dense } from "./layers.ts";
import { toTensor, training, type Input, type Workload } from "./run.ts";

interface Regression {
  readonly x: Input;
  readonly y: Input;
  readonly lr: number;
}

/** The mean of squared distances, plain SGD; `first` is the parameter that is read from. */
function regression(net: nn.Module, forward: (x: Tensor) => Tensor, first: nn.Parameter, inputs: Regression): Workload {
  const x = toTensor(inputs.x);
  const y = toTensor(inputs.y);
  const opt = new optim.SGD(net.parameters(), { lr: inputs.lr });
  return training(() => {
    const loss = F.mseLoss(forward(x), y);
    opt.zeroGrad();
    loss.backward();
    opt.step();
    return loss;
  }, first);
}

interface Norm {
  readonly scale: Input;
  readonly shift: Input;
}

function layerNorm({ scale, shift }: Norm): nn.LayerNorm {
  const layer = new nn.LayerNorm(scale.shape[0]!);
  layer.loadStateDict({ weight: toTensor(scale), bias: toTensor(shift) });
  return layer;
}

interface BlockInputs {
  readonly norm1: Norm;
  readonly qkv: Dense;
  readonly proj: Dense;
  readonly norm2: Norm;
  readonly up: Dense;
  readonly down: Dense;
}

class Block extends nn.Module {
  readonly heads: number;
  readonly norm1: nn.LayerNorm;
  readonly qkv: nn.Linear;
  readonly proj: nn.Linear;
  readonly norm2: nn.LayerNorm;
  readonly up: nn.Linear;
  readonly down: nn.Linear;
  constructor(inputs: BlockInputs, heads: number) {
    super();
    this.heads = heads;
    this.norm1 = layerNorm(inputs.norm1);
    this.qkv = linear(inputs.qkv);
    this.proj = linear(inputs.proj);
    this.norm2 = layerNorm(inputs.norm2);
    this.up = linear(inputs.up);
    this.down = linear(inputs.down);
  }
  forward(x: Tensor): Tensor {
    const h = x.add(this.proj.forward(this.attend(this.norm1.forward(x))));
    return h.add(this.down.forward(F.gelu(this.up.forward(this.norm2.forward(h)), { approximate: "tanh" })));
  }
  private attend(x: Tensor): Tensor {
    const [n, t, e] = x.shape;
    const [q, k, v] = this.qkv
      .forward(x)
      .chunk(3, -1)
      .map((part) => part.reshape(n!, t!, this.heads, e! / this.heads).transpose(1, 2));
    const seen = F.scaledDotProductAttention(q!, k!, v!, { isCausal: true });
    return seen.transpose(1, 2).reshape(n!, t!, e!);
  }
}

export function gpt({ heads, block, ...inputs }: { heads: number; block: BlockInputs } & Regression): Workload {
  const net = new Block(block, heads);
  return regression(net, (x) => net.forward(x), net.qkv.weight, inputs);
}

interface CellInputs {
  readonly wx: Input;
  readonly wh: Input;
  readonly bx: Input;
  readonly bh: Input;
}

export function lstm({ cell: { wx, wh, bx, bh }, ...inputs }: { cell: CellInputs } & Regression): Workload {
  const net = new nn.LSTM(wx.shape[0]!, wh.shape[0]!);
  net.loadStateDict({
    weight_ih_l0: toTensor(wx).t(),
    weight_hh_l0: toTensor(wh).t(),
    bias_ih_l0: toTensor(bx),
    bias_hh_l0: toTensor(bh),
  });
  const [first] = net.parameters();
  return regression(net, (x) => net.forward(x)[0], first!, inputs);
}
