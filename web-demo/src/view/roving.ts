/** One stop of the Tab key for a group of controls; other keys go on from there. */

/** Makes one of them the stop, and takes the focus along if it is in the group. */
export function makeStop(controls: readonly HTMLElement[], stop: HTMLElement | undefined, takesFocus = false): void {
  for (const control of controls) control.tabIndex = control === stop ? 0 : -1;
  if (takesFocus) stop?.focus();
}
