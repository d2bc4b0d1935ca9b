import { describe, LossError } from './errors.js';

/**
 * Names of classes, in the order of the classes.
 *
 * @param classes how many there are, or null where that is not known yet
 * @throws LossError ERR_OPTION for anything but a list of different strings that are not empty, as many as there are classes
 */
export function checkLabels(labels: unknown, classes: number | null): readonly string[] {
  if (!Array.isArray(labels) || labels.length === 0) {
    throw new LossError('ERR_OPTION', `labels must be a list of names, got ${describe(labels)}`);
  }
  const known = new Map<unknown, number>();
  for (let i = 0; i < labels.length; i++) {
    const label: unknown = labels[i];
    if (typeof label !== 'string') {
      throw new LossError('ERR_OPTION', `labels must be strings, got ${describe(label)} at ${i}`);
    }
    if (label.trim() === '')
      throw new LossError('ERR_OPTION', `labels must not be empty, got ${describe(label)} at ${i}`);
    const before = known.get(label);
    if (before !== undefined) {
      throw new LossError('ERR_OPTION', `labels must differ, got ${describe(label)} at ${before} and at ${i}`);
    }
    known.set(label, i);
  }
  if (classes !== null && labels.length !== classes) {
    throw new LossError('ERR_OPTION', `labels must be as many as classes, got ${labels.length} for ${classes} classes`);
  }
  return [...(labels as string[])];
}
