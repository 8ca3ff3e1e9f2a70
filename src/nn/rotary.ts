/** Rotary position embedding, Su et al. (2021). */
import { ShapeError, TexgradError } from "../ir/errors.ts";
import { show } from "../ir/shape.ts";
import { cat, stack, StateTensor, tensor, type Tensor } from "../trace/index.ts";
import { checkCount, checkInput } from "./check.ts";
import { Module } from "./module.ts";

export interface RotaryOptions {
  /** Angles of pair i are position / base^(2 i / dim). Default 10,000. */
  readonly base?: number;
  /** The longest sequence. Default 2,048. */
  readonly maxPositions?: number;
  /** Whether pairs are neighbours (2 i, 2 i + 1), as in the paper, and not (i, i + dim / 2), as in LLaMA. Default false. */
  readonly interleaved?: boolean;
}

/**
 * Turns each pair of features of x: [.., l, dim] by an angle that grows with the position, so that products of queries
 * and keys depend on how far apart they are. The angles are no part of state dicts.
 */
export class RotaryEmbedding extends Module {
  readonly dim: number;
  readonly maxPositions: number;
  readonly interleaved: boolean;
  /** [maxPositions, dim / 2], as the one below; in doubles, rounded once. */
  readonly #cos: StateTensor;
  readonly #sin: StateTensor;

  constructor(dim: number, { base = 10_000, maxPositions = 2048, interleaved = false }: RotaryOptions = {}) {
    super();
    this.dim = checkCount("RotaryEmbedding", "dim", dim, 2);
    if (dim % 2 !== 0) throw new TexgradError(`RotaryEmbedding: dim is ${dim}; it must be even`);
    this.maxPositions = checkCount("RotaryEmbedding", "maxPositions", maxPositions, 1);
    this.interleaved = interleaved;
    const half = dim / 2;
    const table = (f: (angle: number) => number): StateTensor =>
      new StateTensor(
        tensor(
          Float32Array.from({ length: maxPositions * half }, (_, k) =>
            f(Math.floor(k / half) / base ** ((2 * (k % half)) / dim)),
          ),
          { shape: [maxPositions, half] },
        ),
      );
    this.#cos = table(Math.cos);
    this.#sin = table(Math.sin);
  }

  /** `offset`: the position of the first. Throws ShapeError past maxPositions. */
  forward(x: Tensor, { offset = 0 }: { readonly offset?: number } = {}): Tensor {
    checkInput(this, x, ["..", "L", this.dim]);
    const l = x.shape.at(-2)!;
    if (!Number.isInteger(offset) || offset < 0 || offset + l > this.maxPositions) {
      throw new ShapeError(
        `RotaryEmbedding: positions ${offset} to ${offset + l} of ${show(x.shape)}; maxPositions is ${this.maxPositions}`,
      );
    }
    const [cos, sin] = [this.#cos.narrow(0, offset, l), this.#sin.narrow(0, offset, l)];
    const half = this.dim / 2;
    const pairs = this.interleaved ? x.reshape([...x.shape.slice(0, -1), half, 2]) : null;
    const a = pairs?.select(-1, 0) ?? x.narrow(-1, 0, half);
    const b = pairs?.select(-1, 1) ?? x.narrow(-1, half, half);
    const turned = [a.mul(cos).sub(b.mul(sin)), b.mul(cos).add(a.mul(sin))];
    return this.interleaved ? stack(turned, -1).reshape(x.shape) : cat(turned, -1);
  }

  protected override describe(): string {
    return `dim=${this.dim}, maxPositions=${this.maxPositions}, interleaved=${this.interleaved}`;
  }
}
