"""Write the Inception network of the FID as an ONNX graph for `features`, extractor onnx.

    python tools/fid/export_inception.py pt_inception-2015-12-05-6726825d.pth inception-2015-12-05.onnx
    python tools/fid/export_inception.py --random inception-random.onnx    the same network, weights that mean nothing

Needs torch, torchvision, onnx, onnxscript and pytorch-fid. The weights are those that pytorch-fid fetches. Their hash
begins with the digits in their name; the graph of any other file is not called inception-2015-12-05, and distances over
it are not called FID.

Outputs: `pool3` [N, 2048], what the FID is computed of, and `logits` [N, 1008] for the inception score. Input: images
[N, 3, 299, 299] in [-1, 1]; resizing is left to the features stage, as
preprocess: { size: 299, kernel: bilinear, antialias: false }.
"""

import hashlib
import pathlib
import sys

import onnx
import pytorch_fid.inception as fid
import torch
from torch import nn

WEIGHTS = "6726825d"
NAME = "inception-2015-12-05"


class Features(nn.Module):
    """The network of pytorch-fid without its resizing, up to both outputs."""

    def __init__(self, weights):
        super().__init__()
        # fid_inception_v3 builds the network and then fetches; here the weights are given.
        fid.load_state_dict_from_url = lambda *_, **__: weights
        if weights is None:
            nn.Module.load_state_dict, kept = lambda *_, **__: None, nn.Module.load_state_dict
            network = fid.fid_inception_v3()
            nn.Module.load_state_dict = kept
            randomise(network)
        else:
            network = fid.fid_inception_v3()
        names = "Conv2d_1a_3x3 Conv2d_2a_3x3 Conv2d_2b_3x3 maxpool1 Conv2d_3b_1x1 Conv2d_4a_3x3 maxpool2 Mixed_5b Mixed_5c"
        names += " Mixed_5d Mixed_6a Mixed_6b Mixed_6c Mixed_6d Mixed_6e Mixed_7a Mixed_7b Mixed_7c"
        self.body = nn.Sequential(*[getattr(network, name) for name in names.split()])
        self.fc = network.fc

    def forward(self, images):
        pool3 = self.body(images).mean(dim=(2, 3))
        return pool3, self.fc(pool3)


def randomise(network):
    torch.manual_seed(0)
    for parameter in network.parameters():
        if parameter.dim() > 1:
            nn.init.kaiming_normal_(parameter)
        else:
            nn.init.ones_(parameter)


def main(source: str, target: str) -> None:
    random = source == "--random"
    weights = None if random else torch.load(source, map_location="cpu", weights_only=True)
    digest = None if random else hashlib.sha256(pathlib.Path(source).read_bytes()).hexdigest()
    model = Features(weights).eval()
    images = torch.zeros(2, 3, 299, 299)
    torch.onnx.export(
        model,
        (images,),
        target,
        input_names=["images"],
        output_names=["pool3", "logits"],
        dynamic_axes={name: {0: "N"} for name in ("images", "pool3", "logits")},
        opset_version=17,
        dynamo=False,
    )
    graph = onnx.load(target)
    known = digest is not None and digest.startswith(WEIGHTS)
    properties = {"noiseline.extractor": NAME if known else pathlib.Path(target).stem}
    if digest is not None:
        properties["noiseline.weights_sha256"] = digest
    onnx.helper.set_model_props(graph, properties)
    onnx.save(graph, target)
    print(f"{target}: {properties['noiseline.extractor']}, weights {digest or 'random'}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
