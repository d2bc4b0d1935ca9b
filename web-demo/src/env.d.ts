/** Bytes of what the page loads before it can train; put in by vite.config.ts. */
declare const __DATA_BYTES__: number;
