"""The examples are found in a checkout and in a wheel."""

from pathlib import Path

import pytest

from importer.core import examples


def test_the_folder_holds_a_configuration_of_each_vendor_and_the_sample_list() -> None:
    folder = examples.folder()
    assert {"attentive.toml", "engagelab.toml", "vevee.toml"} <= {
        path.name for path in (folder / "config").iterdir()
    }
    assert (folder / "samples" / "customers.csv").is_file()


def test_a_checkout_has_them_beside_the_package_and_a_wheel_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "importer"
    monkeypatch.setattr(examples, "_PACKAGE", package)
    assert examples.folder() == tmp_path
    (package / "data").mkdir(parents=True)
    assert examples.folder() == package / "data"
