import type { Printable } from './printable.js';

/** multilabel_margin_loss.wasm: scripts/build writes it. */
declare const binary: Printable;
export default binary;
