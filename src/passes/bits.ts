/**
 * The one list of what may change the bits of a result (design section 10). Whatever is not on it gives the same f32,
 * bit for bit, but for the sign of a zero. Names are those of `DeviceProfile.off`, where it can be switched off.
 */

interface Change {
  /** What is done. */
  readonly does: string;
  /** How a result may differ from the evaluator's f32; null where it never does. */
  readonly bits: string | null;
  /** Whether `DeviceProfile.off` may name it. */
  readonly switched: boolean;
}

const changes = {
  softmax: {
    does: "canonicalise: exponentials are taken of x - max x, hand-written softmax, logSoftmax and logsumexp included",
    bits: "other roundings; no overflow where the spelling as written has one, and no NaN where all is -inf",
    switched: true,
  },
  law2: {
    does: "simplify: a reduction of a reduction becomes one",
    bits: "adds and multiplies in another order",
    switched: true,
  },
  linear: {
    does: "simplify: factors that do not vary leave a sum, and a sum of terms becomes terms of sums",
    bits: "adds and multiplies in another order; what is less its mean sums to 0 whatever multiplies it",
    switched: true,
  },
  outputs: {
    does: "layouts: several stored values share a draw",
    bits: "their loops run in one order, which may differ from the order each would have alone",
    switched: true,
  },
  tiles: {
    does: "layouts: a contraction's rows are split over render targets",
    bits: "operands lie elsewhere, so another reduce axis may run innermost",
    switched: true,
  },
  packs: {
    does: "layouts: small results that nothing in the plan reads lie in one texture, which one draw writes",
    bits: null,
    switched: true,
  },
  split: {
    does: "split-reductions: a long reduction of few results becomes one over parts and one of these",
    bits: "adds and multiplies in another order",
    switched: true,
  },
  lanes: {
    does: "layouts: the axis that loads like best lies in the columns (channels, in a convolution)",
    bits: "operands lie elsewhere, so another reduce axis may run innermost",
    switched: true,
  },
  guards: {
    does: "codegen: steps of a loop that read outside a padded view are left out",
    bits: "no NaN from the 0 outside times an infinity or a NaN",
    switched: true,
  },
  loops: {
    does: "codegen: the reduce axis that most operands keep in one texel runs innermost",
    bits: "a sum over several axes adds in another order",
    switched: false,
  },
  drivers: {
    does: "drivers: a * b + c may be one rounding, and exp, log and their kin are as exact as the driver's",
    bits: "the last bits, depending on what shares a program; never on the cpu device",
    switched: false,
  },
} as const satisfies Record<string, Change>;

export type BitChange = keyof typeof changes;
export const bitChanges: Readonly<Record<BitChange, Change>> = changes;
