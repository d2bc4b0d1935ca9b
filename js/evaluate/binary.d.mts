/** ranking_metrics.wasm, as wasm/printable.ts encodes it: scripts/build writes it. */
declare const binary: string;
export default binary;
