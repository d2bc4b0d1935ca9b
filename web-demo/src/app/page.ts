/** What the parts of the page share: its elements, messages, and what the visitor may do now. */

export const byId = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T;

/** Shows a message where it has a place of its own. */
export function say(id: string, text: string, isError = false): void {
  byId(id).textContent = text;
  byId(id).classList.toggle('error', isError);
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** With commas. Not by Intl: WebKit's throws in the locale "C". */
export function grouped(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** With a minus sign, and a point. */
export function decimal(value: number, digits = 2): string {
  const text = value.toFixed(digits);
  return Number(text) === 0 ? text.replace('-', '') : text.replace('-', '−');
}

export function element<K extends keyof HTMLElementTagNameMap>(
  name: K,
  properties: Partial<HTMLElementTagNameMap[K]> = {},
): HTMLElementTagNameMap[K] {
  return Object.assign(document.createElement(name), properties);
}
