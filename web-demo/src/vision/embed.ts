/** From images to features; in the page and where the gallery is made alike. */
import { type GraphModel } from '@tensorflow/tfjs-converter';
import { concat, mean, type Tensor2D, type Tensor4D, tidy } from '@tensorflow/tfjs-core';
import { FEATURE_LAYERS, IMAGE_NODE } from './layers.js';

/**
 * @param images [N, IMAGE_SIZE, IMAGE_SIZE, 3], RGB from 0 to 255
 * @returns [N, FEATURES]
 */
export function embed(backbone: GraphModel, images: Tensor4D): Tensor2D {
  return tidy(() => {
    const layers = backbone.execute({ [IMAGE_NODE]: images }, [...FEATURE_LAYERS]) as Tensor4D[];
    return concat(
      layers.map((layer) => mean<Tensor2D>(layer, [1, 2])),
      1,
    );
  });
}
