/** Which layers of the backbone are features. Names are those in the graph of the model. */

/** Width and height of the image that goes in. */
export const IMAGE_SIZE = 256;

/** Takes [N, IMAGE_SIZE, IMAGE_SIZE, 3], RGB from 0 to 255. */
export const IMAGE_NODE = 'tower_0/images';

const BLOCK = 'tower_0/MobilenetV3/expanded_conv_';

/** Each gives [N, height, width, channels]. Averaged over height and width, they are the features. */
export const FEATURE_LAYERS = [
  `${BLOCK}11/depthwise/hard_swish/mul_1`,
  `${BLOCK}14/depthwise/hard_swish/mul_1`,
  `${BLOCK}14/add`,
] as const;

/** Channels of all feature layers. */
export const FEATURES = 1368;
