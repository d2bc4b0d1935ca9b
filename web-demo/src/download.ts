/** Files of the demo, with progress. */

/** @param onBytes called with the number of bytes of each piece that arrives */
export async function download(url: string, onBytes: (bytes: number) => void = () => {}): Promise<Blob> {
  const response = await fetch(url);
  if (!response.ok || response.body === null) {
    throw new Error(`${new URL(response.url).pathname} did not load: ${response.status} ${response.statusText}`);
  }
  const counter = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
    transform(chunk, controller) {
      onBytes(chunk.length);
      controller.enqueue(chunk);
    },
  });
  return new Response(response.body.pipeThrough(counter)).blob();
}

export async function gunzip(blob: Blob): Promise<ArrayBuffer> {
  return new Response(blob.stream().pipeThrough(new DecompressionStream('gzip'))).arrayBuffer();
}
