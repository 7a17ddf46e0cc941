"""MNIST: where it is looked for, what is refused, and, where the files are at hand, that they are the published ones."""

from __future__ import annotations

import gzip
import hashlib
import re

import numpy as np
import pytest
from conftest_data import idx_bytes

from experiments.data import Mnist, mnist
from experiments.data.files import contents
from kernels.losses import Target

AT_HAND = next((f for b in mnist.BESIDE if (f := mnist.CHECKOUT / b / "train-images-idx3-ubyte.gz").is_file()), None)
# MD5 sums of the four files unpacked, as published with many copies of the data.
MD5 = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
