/** What the .wasm files of this package are where an import compiles them, as in Cloudflare's and Vercel's workers. */
import type { WasmModule } from './instantiate.js';

declare const module: WasmModule;
export default module;
