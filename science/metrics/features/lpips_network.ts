import * as tf from "@tensorflow/tfjs-core";
import { filterOf, type StateDict, takerOf } from "./inception_network.ts";

/**
 * The network of LPIPS (Zhang et al. 2018, arXiv 1801.03924) over VGG16, as in version 0.1 of
 * richzhang/PerceptualSimilarity: the places of the 3x3 convolutions of each block in torchvision's list of layers. All
 * blocks but the first begin with a 2x2 max pool.
 */
const BLOCKS = [[0, 2], [5, 7], [10, 12, 14], [17, 19, 21], [24, 26, 28]];
/** Mean and deviation of the colours of ImageNet, in [-1, 1] (`ScalingLayer`). */
const [MEAN, DEVIATION] = [[-0.030, -0.088, -0.188], [0.458, 0.448, 0.450]];

/**
 * Reads the network from a state dict of `lpips.LPIPS(net="vgg")`; its shapes give each layer's number of channels.
 *
 * @returns `features`, which gives the activations of each block for images [B, H, W, 1 or 3] in [-1, 1], and `heads`,
 * the weights of the channels of each
 * @throws RangeError for a tensor that is missing or of a shape that does not fit
 */
export function readLpips(state: StateDict) {
  const take = takerOf(state, "LPIPS");
  let channels = MEAN.length;
  const blocks = BLOCKS.map((layers, block) =>
    layers.map((layer) => {
      const name = `net.slice${block + 1}.${layer}`;
      const filter = filterOf(take(`${name}.weight`, "any", channels, 3, 3));
      channels = filter.shape[3];
      return { filter, bias: take(`${name}.bias`, channels).data };
    })
  );
  return {
    heads: blocks.map((convs, i) => take(`lin${i}.model.1.weight`, 1, convs.at(-1)!.bias.length, 1, 1).data),
    features(images: tf.Tensor): readonly tf.Tensor[] {
      // Grey becomes three equal channels.
      let h = tf.div(tf.sub(images, MEAN), DEVIATION) as tf.Tensor4D;
      return blocks.map((convs, block) => {
        if (block > 0) h = tf.maxPool(h, 2, 2, "valid");
        for (const { filter, bias } of convs) {
          const product = tf.conv2d(h, tf.tensor4d(filter.data, [...filter.shape]), 1, "same");
          h = tf.relu(tf.add(product, bias)) as tf.Tensor4D;
        }
        return h;
      });
    },
  };
}
