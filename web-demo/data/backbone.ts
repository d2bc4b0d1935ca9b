/** The part of CentreNet that makes features of an image: MobileNetV3, without the heads that find objects. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import type { io } from '@tensorflow/tfjs-core';
import { FEATURE_LAYERS, IMAGE_NODE, IMAGE_SIZE } from '../src/vision/layers.js';

interface GraphNode {
  name: string;
  op: string;
  input?: string[];
  attr: { shape?: { shape: { dim: { size: string }[] } } };
}

interface GraphModel {
  format: string;
  modelTopology: { node: GraphNode[] };
  weightsManifest: { paths: string[]; weights: io.WeightsManifestEntry[] }[];
}

export interface Backbone {
  topology: io.ModelJSON;
  weights: Uint8Array;
}

/** Cuts the backbone out of the model that @vladmandic/human ships: the nodes that the feature layers need, and their weights. */
export function readBackbone(): Backbone {
  const folder = path.join(
    path.dirname(createRequire(import.meta.url).resolve('@vladmandic/human')),
    '../models/centernet',
  );
  const model = JSON.parse(readFileSync(`${folder}.json`, 'utf8')) as GraphModel;
  const bytes = readFileSync(`${folder}.bin`);
  const nodes = nodesFor(FEATURE_LAYERS, model.modelTopology.node);

  const entries: io.WeightsManifestEntry[] = [];
  const chunks: Uint8Array[] = [];
  let offset = 0;
  for (const entry of model.weightsManifest.flatMap(({ weights }) => weights)) {
    const size = byteSize(entry);
    if (nodes.has(entry.name)) {
      entries.push(entry);
      chunks.push(bytes.subarray(offset, offset + size));
    }
    offset += size;
  }
  if (offset !== bytes.length) throw new Error(`${folder}.bin has ${bytes.length} bytes, its manifest says ${offset}`);

  // The model was exported for one image of 512 x 512. Its layers are convolutions, which take any size.
  const image = nodes.get(IMAGE_NODE);
  if (image === undefined) throw new Error(`${folder}.json has no node ${IMAGE_NODE}`);
  image.attr.shape = { shape: { dim: [-1, IMAGE_SIZE, IMAGE_SIZE, 3].map((size) => ({ size: String(size) })) } };
  const topology = {
    format: model.format,
    modelTopology: { ...model.modelTopology, node: model.modelTopology.node.filter(({ name }) => nodes.has(name)) },
    weightsManifest: [{ paths: ['backbone.bin'], weights: entries }],
  };
  return { topology, weights: Buffer.concat(chunks) };
}

function nodesFor(outputs: readonly string[], all: GraphNode[]): Map<string, GraphNode> {
  const byName = new Map(all.map((node) => [node.name, node]));
  const needed = new Map<string, GraphNode>();
  const pending = [...outputs];
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (needed.has(name)) continue;
    const node = byName.get(name);
    if (node === undefined) throw new Error(`the model has no node ${name}`);
    needed.set(name, node);
    // "^name" is a control input, "name:1" the second output of a node.
    for (const input of node.input ?? []) pending.push(input.replace(/^\^/, '').replace(/:\d+$/, ''));
  }
  return needed;
}

const BYTES: Record<string, number> = { float16: 2, uint8: 1, uint16: 2, float32: 4, int32: 4 };

function byteSize({ name, shape, dtype, quantization }: io.WeightsManifestEntry): number {
  const bytes = BYTES[quantization?.dtype ?? dtype];
  if (bytes === undefined) throw new Error(`weights ${name} are of an unknown type, ${dtype}`);
  return shape.reduce((product, size) => product * size, bytes);
}
