"""What the built layers are, beyond that functions run on them."""

from pathlib import Path
from typing import get_args

import pytest

from infra import build
from infra.build import Architecture, LayerName

LIMIT = 200 * 2**20  # Lambda's is 250 MiB
ELF_MACHINE: dict[Architecture, int] = {"arm64": 0xB7, "x86_64": 0x3E}

every_architecture = pytest.mark.parametrize("architecture", get_args(Architecture))


@every_architecture
def test_all_layers_together_stay_well_under_lambdas_limit(architecture: Architecture) -> None:
    build.ensure(architecture, print)

    roots = [build.layer(name, architecture) for name in get_args(LayerName)]

    assert sum(map(build.size_of, [*roots, build.functions_code()])) < LIMIT


@every_architecture
def test_compiled_modules_are_for_the_architecture(architecture: Architecture) -> None:
    build.ensure(architecture, print)

    compiled = [
        path
        for name in ("dependencies", "inference")
        for path in build.layer(name, architecture).rglob("*.so*")
    ]

    assert compiled
    assert {path.name: machine_of(path) for path in compiled} == {
        path.name: ELF_MACHINE[architecture] for path in compiled
    }


def test_layers_built_twice_are_the_same_to_the_byte(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    build.ensure("arm64", print)
    first = {name: files(build.layer(name, "arm64")) for name in get_args(LayerName)}
    monkeypatch.setattr(build, "BUILD", tmp_path)
    build.ensure("arm64", print)

    for name in get_args(LayerName):
        assert files(build.layer(name, "arm64")) == first[name]


def files(folder: Path) -> dict[str, bytes]:
    """Contents by path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def machine_of(path: Path) -> int:
    return int.from_bytes(path.read_bytes()[18:20], "little")
