// Names of labels in tables of text.

/** The last cell of a line, since names have any width. Empty without names. */
export function nameCell(labels: readonly string[] | null, label: number): string {
  // A line feed is the one control character that print() lets through.
  return labels === null ? '' : `  ${(labels[label] as string).replaceAll('\n', '\\n')}`;
}

/** The name of a label, or its number where labels have no names. For a page, it is to be escaped. */
export function labelName(labels: readonly string[] | null, label: number): string {
  return labels?.[label] ?? String(label);
}
