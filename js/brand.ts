/**
 * Marks the instances of a class for `instanceof`, so that those of another copy of this package in the same program are
 * recognised: a bundler or a package manager may leave two of them. Subclasses keep their own `instanceof`.
 */
export function brand(Class: { prototype: object; readonly name: string }, name: string): void {
  const key = Symbol.for(`multilabel-margin-loss.${name}`);
  Object.defineProperty(Class.prototype, key, { value: true });
  Object.defineProperty(Class, Symbol.hasInstance, {
    value(this: unknown, value: unknown): boolean {
      return this === Class
        ? typeof value === 'object' && value !== null && key in value
        : Function.prototype[Symbol.hasInstance].call(this as () => void, value);
    },
  });
}
