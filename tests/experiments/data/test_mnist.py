"""MNIST: where it is looked for, what is refused, and, if the files are at hand, that they are the published ones."""

from __future__ import annotations

import hashlib
import re
import shutil

import numpy as np
import pytest

from experiments.data import Mnist, mnist
from experiments.data.files import contents
from kernels.losses import Target

FOLDERS = (mnist.CHECKOUT / beside for beside in mnist.BESIDE)
AT_HAND = next((folder for folder in FOLDERS if (folder / "train-images-idx3-ubyte.gz").is_file()), None)

# MD5 sums of the published files, unpacked.
MD5 = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}

needs_mnist = pytest.mark.skipif(
    AT_HAND is None, reason=f"no MNIST in {' or '.join(mnist.BESIDE)}, and tests fetch none"
)


@needs_mnist
def test_files_at_hand_are_the_published_ones():
    assert {p: hashlib.md5(contents(AT_HAND / f"{p}.gz"), usedforsecurity=False).hexdigest() for p in MD5} == MD5
    assert Mnist(root=str(AT_HAND)).stamp() == mnist.PUBLISHED


@needs_mnist
def test_real_mnist():
    data = Mnist(root=str(AT_HAND)).load(0)
    assert data.X.shape == (60_000, 784)
    assert data.X_test.shape == (10_000, 784)
    assert (data.X.min(), data.X.max(), data.outputs, data.target) == (0, 1, 10, Target.CLASS)
    assert data.X.mean() == pytest.approx(0.1307, abs=5e-5)
    assert data.X.std() == pytest.approx(0.3081, abs=5e-5)
    assert np.bincount(data.y).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(data.y_test).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert data.y[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]  # LeCun et al. 1998, and every tutorial since


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_pixels_and_labels_are_those_in_the_files(small_mnist, suffix):
    root, arrays = small_mnist(suffix)
    data = Mnist(root=str(root)).load(0)
    assert np.array_equal(data.X, arrays["train-images-idx3-ubyte"].reshape(30, 16) / 255)
    assert np.array_equal(data.y, arrays["train-labels-idx1-ubyte"])
    assert np.array_equal(data.X_test, arrays["t10k-images-idx3-ubyte"].reshape(12, 16) / 255)
    assert np.array_equal(data.y_test, arrays["t10k-labels-idx1-ubyte"])
    assert data.name == "mnist"
    Mnist(root=str(root)).check()


def test_plain_and_gzip_are_the_same_data(small_mnist):
    stamps = {Mnist(root=str(small_mnist(suffix, f"folder{suffix}")[0])).stamp() for suffix in ("", ".gz")}
    assert len(stamps) == 1


def test_first_samples(small_mnist):
    root, arrays = small_mnist()
    data = Mnist(root=str(root), samples=7, bias=True).load(0)
    assert data.X.shape == (7, 17)
    assert np.array_equal(data.y, arrays["train-labels-idx1-ubyte"][:7])
    assert len(data.y_test) == 12
    with pytest.raises(ValueError, match=r"^data.samples: 31; should be at most 30, the images in \S+$"):
        Mnist(root=str(root), samples=31).load(0)


def test_standardizing_uses_the_training_pixels(small_mnist):
    root, _ = small_mnist()
    raw, scaled = (Mnist(root=str(root), standardize=s).load(0) for s in (False, True))
    np.testing.assert_allclose(scaled.X_test, (raw.X_test - raw.X.mean(0)) / raw.X.std(0), atol=1e-12)


def test_its_own_test_part_is_the_test_part():
    with pytest.raises(ValueError, match=r"^test_share: 0.2; should be 0, MNIST has a test part of its own$"):
        Mnist(test_share=0.2)


def test_a_root_that_lacks_a_file_is_not_looked_past(small_mnist, tmp_path):
    root, _ = small_mnist()
    (root / "t10k-labels-idx1-ubyte").unlink()
    expected = (
        rf"^data.root={root}: has no t10k-labels-idx1-ubyte; should hold train-images-idx3-ubyte, [^\n]* or \.gz$"
    )
    for question in (Mnist(root=str(root)).stamp, Mnist(root=str(root)).check):
        with pytest.raises(ValueError, match=expected):
            question()
    with pytest.raises(ValueError, match=rf"^data.root={tmp_path}/absent: no such folder; should hold [^\n]*$"):
        Mnist(root=f"{tmp_path}/absent").check()


def test_images_and_labels_that_dont_belong_together(small_mnist, write_idx):
    root, arrays = small_mnist()
    labels = root / "train-labels-idx1-ubyte"
    write_idx(labels, np.zeros(29, np.uint8))
    with pytest.raises(ValueError, match=rf"^{labels}: 29 labels; should be 30, one for each image in [^\n]*$"):
        Mnist(root=str(root)).load(0)
    write_idx(labels, np.array([0] * 20 + [10] * 10, np.uint8))
    with pytest.raises(ValueError, match=rf"^{labels}: label 10 at 20; should be 0 to 9$"):
        Mnist(root=str(root)).load(0)
    write_idx(labels, arrays[labels.name])
    write_idx(root / "t10k-images-idx3-ubyte", np.zeros((12, 5, 4), np.uint8))
    with pytest.raises(ValueError, match=r"t10k-images-idx3-ubyte: images of 20 pixels; should have 16, as in \S+$"):
        Mnist(root=str(root)).load(0)


def test_swapped_files_are_recognised(small_mnist):
    root, _ = small_mnist()
    shutil.copy(root / "t10k-labels-idx1-ubyte", root / "t10k-images-idx3-ubyte")
    with pytest.raises(ValueError, match=r"has 1 axis; should have 3 axes: are images and labels swapped\?$"):
        Mnist(root=str(root)).load(0)


def test_a_changed_file_is_read_again(small_mnist, write_idx):
    root, _ = small_mnist()
    before = Mnist(root=str(root)).load(0)
    write_idx(root / "train-images-idx3-ubyte", np.full((30, 4, 4), 255, np.uint8))
    after = Mnist(root=str(root)).load(0)
    assert after is not before
    assert after.X.min() == 1


def test_folders_in_the_order_of_the_search(small_mnist, nowhere, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    cached, _ = small_mnist(folder="cache/mnist")
    assert cached == nowhere
    assert Mnist()._files()[0].parent == cached
    beside, _ = small_mnist(folder="data/mnist")
    monkeypatch.setattr(mnist, "BESIDE", ("shared/mnist", "data/mnist"))
    assert Mnist()._files()[0].parent == beside
    first, _ = small_mnist(folder="shared/mnist")
    assert Mnist()._files()[0].parent == first
    (first / "train-labels-idx1-ubyte").unlink()  # incomplete: the next
    assert Mnist()._files()[0].parent == beside
    monkeypatch.chdir("/")
    monkeypatch.setattr(mnist, "CHECKOUT", tmp_path)
    assert Mnist()._files()[0].parent == beside
    given, _ = small_mnist(folder="given")
    assert Mnist(root=str(given))._files()[0].parent == given


def test_no_file_and_no_mirror_is_one_line_that_says_what_to_do(nowhere):
    expected = (
        r"^MNIST is not here and no mirror gave it \(\); put train-images-idx3-ubyte, train-labels-idx1-ubyte, "
        rf"t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte, plain or \.gz, into {re.escape(str(nowhere))}, "
        r"or name their folder with data\.root=FOLDER$"
    )
    with pytest.raises(ValueError, match=expected):
        Mnist().check()


def test_the_cache_folder_is_the_users(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert mnist._cache().parts[-2:] == ("pystickonfire", "mnist")
