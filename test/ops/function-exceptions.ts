/** Where functions part from PyTorch's fixtures, and why. Docs tell users of those that are on purpose. */

/** Cases in which ours is another number on every device. */
export const different: Readonly<Record<string, string>> = {
  "logaddexp/8": "where both are the same infinity torch's gradient is NaN, ours that of equals, a half each",
  "xlogy/5": "at 0 log 0 torch's gradient to the logarithm's operand is 0 / 0, ours 0",
  "quantile/17": "beside NaN torch's gradient goes to the NaN, ours nowhere",
  "logcumsumexp/11": "after a -inf torch's gradient is NaN, ours is that of the others",
};

/** Cases that GL may get wrong: what GLSL ES 3.00 does not promise. */
export const losesOnGl: Readonly<Record<string, string>> = {};

/** Calls that torch refuses and we accept. */
export const accepted: Readonly<Record<string, string>> = {};

/** Ops whose results may be this many times further off than others', with the reason. */
export const looser: Readonly<Record<string, { readonly times: number; readonly why: string }>> = {
  "F.silu": { times: 2, why: "second derivatives are differences of products of sigmoids" },
  "F.gridSample": {
    times: 3,
    why: "bicubic weights are differences, and places are rounded before they are subtracted",
  },
};
