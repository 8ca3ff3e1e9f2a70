/**
 * Hand-written shaders of the kinds texgrad emits: a tiled product, statistics in two phases, random bits.
 */
import { head } from "./shaders.ts";

const four = [0, 1, 2, 3];

/** a: [m, k], b: [k, n], four columns a texel, no layers; output j of a fragment is row 4 y + j. */
export function matmulShader(
  how: "texelFetch" | "textureLod",
  { m, k, n }: { readonly m: number; readonly k: number; readonly n: number },
): string {
  const at = (t: string, x: string, y: string, width: number, height: number): string =>
    how === "texelFetch"
      ? `texelFetch(${t}, ivec3(${x}, ${y}, 0), 0)`
      : `textureLod(${t}, vec3((float(${x}) + 0.5) * ${(1 / width).toFixed(12)}, (float(${y}) + 0.5) * ${(1 / height).toFixed(12)}, 0.0), 0.0)`;
  return `${head}uniform sampler2DArray t0, t1;
uniform int k4;
${four.map((i) => `layout(location = ${i}) out vec4 o${i};`).join("\n")}
void main() {
  ivec2 p = ivec2(gl_FragCoord.xy);
  vec4 ${four.map((i) => `s${i} = vec4(0.0)`).join(", ")};
  for (int i = 0; i < k4; i++) {
    vec4 ${four.map((i) => `b${i} = ${at("t1", "p.x", `i * 4 + ${i}`, n / 4, k)}`).join(", ")}, a;
    ${four.map((i) => `a = ${at("t0", "i", `p.y * 4 + ${i}`, k / 4, m)};\n    s${i} += a.x * b0 + a.y * b1 + a.z * b2 + a.w * b3;`).join("\n    ")}
  }
  ${four.map((i) => `o${i} = s${i};`).join(" ")}
}
`;
}

/** x: rows of `columns` in two layers, [3 x 2] rows -> (max, sum of exp(x - max)) of a row per fragment. */
export function softmaxShader(columns: number): string {
  const last = Math.ceil(columns / 4) - 1;
  const kept = columns - last * 4;
  const masked = `i < ${last} ? v : ${kept === 4 ? "v" : `vec4(${four.map((i) => (i < kept ? `v.${"xyzw"[i]}` : "lowest")).join(", ")})`}`;
  const load = `vec4 v = texelFetch(t0, ivec3(i, r >> 1, r & 1), 0);\n    v = ${masked};`;
  return `${head}uniform sampler2DArray t0;
out vec4 o;
const float lowest = -3.4028234663852886e38;
float largest(vec4 v) {
  return max(max(v.x, v.y), max(v.z, v.w));
}
void main() {
  ivec2 p = ivec2(gl_FragCoord.xy);
  int r = p.y * 3 + p.x;
  vec4 m4 = vec4(lowest);
  for (int i = 0; i < ${last + 1}; i++) {
    ${load}
    m4 = max(m4, v);
  }
  float m = largest(m4);
  vec4 l = vec4(0.0);
  for (int i = 0; i < ${last + 1}; i++) {
    ${load}
    l += exp(v - m);
  }
  o = vec4(m, dot(l, vec4(1.0)), 0.0, 0.0);
}
`;
}

/** Philox4x32-10 of counter (x, y, 7, -1) and a uniform key; ES 3.00 has no umulExtended. */
export const philoxShader = `${head}uniform ivec2 seed;
out uvec4 o;
uvec2 wide(uint a, uint b) {
  uint al = a & 0xFFFFu, ah = a >> 16, bl = b & 0xFFFFu, bh = b >> 16;
  uint low = al * bl, cross1 = ah * bl, cross2 = al * bh;
  uint middle = (low >> 16) + (cross1 & 0xFFFFu) + (cross2 & 0xFFFFu);
  return uvec2(ah * bh + (cross1 >> 16) + (cross2 >> 16) + (middle >> 16), a * b);
}
void main() {
  ivec2 p = ivec2(gl_FragCoord.xy);
  uvec4 c = uvec4(p, 7, -1);
  uvec2 k = uvec2(seed);
  for (int i = 0; i < 10; i++) {
    uvec2 a = wide(0xD2511F53u, c.x), b = wide(0xCD9E8D57u, c.z);
    c = uvec4(b.x ^ c.y ^ k.x, b.y, a.x ^ c.w ^ k.y, a.y);
    k += uvec2(0x9E3779B9u, 0xBB67AE85u);
  }
  o = c;
}
`;
