/** The targets of a row, in the order of their scores. */
export const ENTRIES = /* wgsl */ `
// A target: the key of its score; its class; under targetOrder 'ranked', the number of later targets above its threshold,
// and the number of earlier ones whose thresholds it is above.
alias Entry = vec4<u32>;

fn noEntry() -> Entry { return Entry(NOTHING, NOTHING, 0u, 0u); }

// Entries are sorted by score, then by class, so that repeated classes are neighbours.
fn isBefore(a: Entry, b: Entry) -> bool { return a.x < b.x || (a.x == b.x && a.y < b.y); }
`;

/** A binary search: sets `count` to the number of the `size` entries that fulfil a condition which the first ones do. */
const search = (count: string, condition: string, entry: string): string => /* wgsl */ `
  var ${count} = 0u;
  {
    var end = size;
    while (${count} < end) {
      let middle = (${count} + end) / 2u;
      let other = ${entry};
      if (${condition}) { ${count} = middle + 1u; } else { end = middle; }
    }
  }`;

/**
 * Finds the place of the entry `own` among the `size` entries of another sorted run: sets `before` to how many of them
 * come before it. Where two entries are equal, that of the first run comes before.
 *
 * Merging compares every two targets once, the earlier one with the later one, so this is also where ranked pairs are
 * counted. A threshold is monotone in its score, so one order serves for both.
 *
 * @param entry the entry of the other run at index `middle`, in WGSL
 */
export const mergePlace = (entry: string): string => /* wgsl */ `
  ${search('before', 'select(!isBefore(own, other), isBefore(other, own), isFirstRun)', entry)}
  if (params.isRanked == 0u) {
    // There are no ranked pairs.
  } else if (isFirstRun) {
    let threshold = thresholdKey(own.x);
    ${search('notAbove', 'other.x <= threshold', entry)}
    ${search('scored', 'other.x < NOTHING', entry)}
    if (scored > notAbove) { own.z += scored - notAbove; }
  } else if (own.x != NOTHING) {
    ${search('below', 'thresholdKey(other.x) < own.x', entry)}
    own.w += below;
  }`;
