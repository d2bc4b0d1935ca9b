// The exports of the module: the functions of bindings/loss_bindings.cc.
import type { BareModule } from './instantiate.js';
import type { Address } from './linear-memory.js';

export interface LossModule extends BareModule {
  /** The address of the call: see call.ts. */
  callAddress(): Address;
  /** The address of room for a part of a batch, or 0. */
  readonly stage: (bytes: number) => Address;
  /** Returns a status: see call.ts. */
  validate(): number;
  /** Returns a status: see call.ts. */
  compute(): number;
}
