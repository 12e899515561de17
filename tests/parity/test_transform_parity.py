"""Our transform gives torchvision's numbers to the last bit: the pictures CLIP models were trained on."""

import numpy as np
import pytest
from PIL import Image
from torchvision import transforms

from taglens.datasets.transforms import PictureTransform

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
MODES = {"bicubic": transforms.InterpolationMode.BICUBIC, "bilinear": transforms.InterpolationMode.BILINEAR}


@pytest.mark.parametrize("size", [(640, 480), (333, 500), (224, 224), (31, 997), (50, 40), (225, 224)])
@pytest.mark.parametrize("interpolation", MODES)
@pytest.mark.parametrize("resize", ["squash", "shortest"])
def test_same_bits_as_torchvision(size: tuple[int, int], interpolation: str, resize: str) -> None:
    picture = Image.fromarray(np.random.default_rng(2).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))
    target = (224, 224) if resize == "squash" else 224
    theirs = transforms.Compose(
        [
            transforms.Resize(target, MODES[interpolation]),
            transforms.CenterCrop(224),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
        ]
    )(picture)
    ours = PictureTransform(224, MEAN, STD, interpolation, resize)(picture)
    assert np.array_equal(ours, theirs.numpy())
