let disabled = 0;

/** Whether operations keep what `backward()` needs. */
export function gradEnabled(): boolean {
  return disabled === 0;
}

/** Calls a function in which operations keep nothing. */
export function withoutGrad<T>(callback: () => T): T {
  disabled++;
  try {
    return callback();
  } finally {
    disabled--;
  }
}
