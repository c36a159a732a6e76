"""One booted machine for all tests, which run in the order of the files: installed, shaken, upgraded, removed, purged."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from machine import Machine


@pytest.fixture(scope="session")
def packages(tmp_path_factory) -> list[Path]:
    """The package, and the same as a later version."""
    package, tmp_path = Path(os.environ["PACKAGE"]), tmp_path_factory.mktemp("packages")
    folder, later = tmp_path / "package", tmp_path / "later.deb"
    subprocess.run(["dpkg-deb", "--raw-extract", package, folder], check=True)
    control = folder / "DEBIAN/control"
    control.write_text(re.sub(r"(?m)^(Version: .*)$", r"\1+later", control.read_text()))
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", folder, later], check=True, capture_output=True)
    return [package, later]


@pytest.fixture(scope="session")
def machine(tmp_path_factory):
    boot = Path(os.environ["BOOT_DIR"]).resolve()
    folder = boot / f"machine-{os.getpid()}"
    machine = Machine(boot / "root.tar", folder)
    yield machine
    machine.stop()
    shutil.rmtree(folder)
    folder.with_suffix(".console").unlink()
