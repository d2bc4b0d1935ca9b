/** Floats as integers of the same order, and thresholds as such integers. */
export const KEYS = /* wgsl */ `
fn keyOf(bits: u32) -> u32 {
  // -0 equals 0.
  if ((bits << 1u) == 0u) { return 0x80000000u; }
  return select(bits | 0x80000000u, ~bits, (bits >> 31u) != 0u);
}

fn bitsOf(key: u32) -> u32 { return select(~key, key ^ 0x80000000u, (key >> 31u) != 0u); }

// The key of x[k] - margin, which in floating point is the same as -(margin - x[k]). It is monotone in the score.
fn thresholdKey(scoreKey: u32) -> u32 {
  let bits = bitsOf(scoreKey);
  // Infinity and NaN stay what they are. x - 0 is x, also where the subtraction would flush a denormal x to 0.
  if ((bits & 0x7f800000u) == 0x7f800000u || params.margin == 0.0) { return scoreKey; }
  return keyOf(bitcast<u32>(bitcast<f32>(bits) - params.margin));
}
`;
