/** multilabel_margin_loss.wasm, as printable.ts encodes it: scripts/build writes it. */
declare const binary: string;
export default binary;
