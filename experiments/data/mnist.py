"""MNIST: 60,000 handwritten digits of 28 × 28 pixels to train on, 10,000 to test (LeCun 1998, doi:10.1109/5.726791)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from experiments.data import idx
from experiments.data.base import Data, Raw
from experiments.data.files import DIGEST_LENGTH, digest
from harness.contract import Count
from kernels.losses import Target

CLASSES = 10
PARTS = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")

# Folders to look into, from where the command runs and from the checkout, before anything is downloaded.
BESIDE = ("../shared/data/mnist", "data/mnist")
CHECKOUT = Path(__file__).resolve().parents[2]

# Tried in turn. The hashes are of the files as first published (yann.lecun.com), which both mirrors keep to the byte.
MIRRORS = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/")
SHA256 = {
    "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}
PATIENCE_S = 20  # without an answer, before the next mirror

# The stamp of what the mirrors give, known before it is there, so that a download changes no configuration's hash:
# `_stamp` of the unpacked files, whose MD5 sums are the published ones.
PUBLISHED = "02776ded898adbed"


@dataclass(frozen=True, kw_only=True)
class Mnist(Data):
    """Pixels/255 in rows of 784 and ten classes; the test part is MNIST's own, so `test_share` stays 0.

    `root`: the folder of the four IDX files, plain or gzip; any data in that format will do (Fashion-MNIST, KMNIST).
    None: the folders in `BESIDE`, else the user's cache folder, where they are downloaded to. `samples`: only the
    first so many training samples.
    """

    root: str | None = None
    samples: Count | None = None

    def __post_init__(self) -> None:
        if self.test_share:
            raise ValueError(f"test_share: {self.test_share}; should be 0, MNIST has a test part of its own")

    @property
    def kind(self) -> Target:
        return Target.CLASS

    def stamp(self) -> str:
        files = self._files()
        return PUBLISHED if files is None else _stamp(files)

    def _raw(self, seed: int) -> Raw:
        files = self._files() or _downloaded()
        X, y = _samples(files[0], files[1], self.samples)
        X_test, y_test = _samples(files[2], files[3], None)
        if X.shape[1] != X_test.shape[1]:
            raise ValueError(
                f"{files[2]}: images of {X_test.shape[1]} pixels; should have {X.shape[1]}, as in {files[0]}"
            )
        return Raw(X, y, CLASSES, X_test=X_test, y_test=y_test)

    def _files(self) -> list[Path] | None:
        """The four files, in the order of PARTS; None if they have yet to be downloaded."""
        if self.root is not None:
            root = Path(self.root).expanduser()
            found = [_one_of(root, part) for part in PARTS]
            missing = [part for part, file in zip(PARTS, found, strict=True) if file is None]
            if missing:
                what = f"{root}: " + ("has no " + ", ".join(missing) if root.is_dir() else "no such folder")
                raise ValueError(f"data.root={what}; should hold {', '.join(PARTS)}, plain or .gz")
            return [file for file in found if file is not None]
        for folder in [base / beside for base in (Path.cwd(), CHECKOUT) for beside in BESIDE] + [_cache()]:
            files = [file for part in PARTS if (file := _one_of(folder, part))]
            if len(files) == len(PARTS):
                return files
        return None


def _one_of(folder: Path, part: str) -> Path | None:
    return next((file for file in (folder / part, folder / f"{part}.gz") if file.is_file()), None)


def _stamp(paths: list[Path]) -> str:
    return hashlib.sha256(" ".join(map(digest, paths)).encode()).hexdigest()[:DIGEST_LENGTH]


def _samples(images: Path, labels: Path, first: int | None) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """(X, y) of one part. Raises ValueError for labels and images that don't belong together."""
    pixels, y = idx.read(images, ndim=3), idx.read(labels, ndim=1)
    if len(pixels) != len(y):
        raise ValueError(f"{labels}: {len(y)} labels; should be {len(pixels)}, one for each image in {images}")
    if y.max() >= CLASSES:
        at = int(np.argmax(y >= CLASSES))
        raise ValueError(f"{labels}: label {y[at]} at {at}; should be 0 to {CLASSES - 1}")
    if first is not None and first > len(y):
        raise ValueError(f"data.samples: {first}; should be at most {len(y)}, the images in {images}")
    X = pixels[:first].reshape(len(y[:first]), -1).astype(np.float64)
    X /= 255
    return X, y[:first]


def _cache() -> Path:
    import platformdirs

    return platformdirs.user_cache_path("pystickonfire") / "mnist"


def _downloaded() -> list[Path]:
    """The four files, fetched into the user's cache folder from the first mirror that gives them unharmed."""
    from experiments.data.download import fetch

    folder = _cache()
    failures = []
    for mirror in MIRRORS:
        try:
            return [fetch(mirror + name, sha256, folder, PATIENCE_S) for name, sha256 in SHA256.items()]
        except OSError as error:
            failures.append(f"{urlsplit(mirror).netloc}: {error}")
    raise ValueError(
        f"MNIST is not here and no mirror gave it ({'; '.join(failures)}); "
        f"put {', '.join(PARTS)}, plain or .gz, into {folder}, or name their folder with data.root=FOLDER"
    )
