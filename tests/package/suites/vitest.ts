// What the suites import of Vitest, for engines that Vitest does not drive: its own runner and matchers, without its server.

import {
  ASYMMETRIC_MATCHERS_OBJECT,
  chai,
  type ExpectStatic,
  GLOBAL_EXPECT,
  JestAsymmetricMatchers,
  JestChaiExpect,
  JestExtend,
  setState,
} from '@vitest/expect';
import { restoreAllMocks, spyOn } from '@vitest/spy';

export { afterAll, afterEach, beforeAll, beforeEach, describe, test } from '@vitest/runner';

chai.use(JestExtend);
chai.use(JestChaiExpect);
chai.use(JestAsymmetricMatchers);

const globals = globalThis as unknown as Record<symbol, object>;
export const expect = Object.assign(
  (value: unknown, message?: string) => chai.expect(value, message),
  chai.expect,
  globals[ASYMMETRIC_MATCHERS_OBJECT],
) as unknown as ExpectStatic;
setState({ assertionCalls: 0 }, expect);
globals[GLOBAL_EXPECT] = expect;

export const vi = { spyOn, restoreAllMocks };

const provided: Record<string, unknown> = {};

/** Says what `inject()` gives, before the suites are imported. */
export function provide(values: Record<string, unknown>): void {
  Object.assign(provided, values);
}

export const inject = (name: string): unknown => provided[name];
