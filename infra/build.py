"""What Lambda unpacks, as folders under `.local/build`: `python -m infra.build [arm64] [x86_64]`.

Without Docker: uv takes the wheels for the other platform, at the lock's versions and checked
against its hashes. The same inputs give the same bytes, so what did not change is not deployed
again.
"""

import argparse
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final, Literal, get_args

from infra import maven, model

Architecture = Literal["arm64", "x86_64"]
LayerName = Literal["dependencies", "inference", "model", "context", "client"]

ROOT: Final = Path(__file__).resolve().parents[1]
BUILD: Final = ROOT / ".local" / "build"
RUNTIME: Final = "3.13"  # Lambda's Python

_PLATFORM: Final[dict[Architecture, str]] = {
    "arm64": "aarch64-manylinux_2_28",
    "x86_64": "x86_64-manylinux_2_28",
}

# The project's dependencies that have a layer of their own. All others are `dependencies`.
_APART: Final[dict[LayerName, set[str]]] = {
    "inference": {"numpy", "onnxruntime", "tokenizers"},
    "client": {"httpx"},
}

_NOT_SHIPPED: Final = (
    "boto3",  # the runtime has it, with botocore and s3transfer
    "huggingface-hub",  # tokenizers downloads with it; the tokenizer is a file here
    "protobuf",  # onnxruntime's tools need it, its session does not
    "pycparser",  # reads C declarations for cffi; those of cryptography are compiled in
)
_NOT_NEEDED: Final = (
    ".lock",  # of uv
    "bin",  # console scripts
    "*.dist-info/[!M]*",  # all but METADATA, by which scanners tell what a layer holds
    "**/tests",
    "**/*.a",  # for compiling extensions
    "**/*.h",
    "**/*.pxd",
    "**/*.pyi",  # for type checkers
    "numpy/f2py",  # compiles Fortran
    "onnxruntime/capi/libonnxruntime.so*",  # for C programs; the Python module contains it
    "onnxruntime/quantization",  # these make models
    "onnxruntime/tools",
    "onnxruntime/transformers",
)


def layer(name: LayerName, architecture: Architecture) -> Path:
    """The root of the layer's zip, which Lambda unpacks to `/opt`."""
    return _layer(name, architecture).root


def functions_code() -> Path:
    """The root of the functions' zip, which Lambda unpacks to `/var/task`."""
    return _functions().root


def ensure(architecture: Architecture, progress: Callable[[str], None]) -> None:
    """Builds what is missing, and anew what was built of other inputs than there are now.

    Raises CalledProcessError where uv fails, which says why on stderr, and what
    `model.ensure_model` raises.
    """
    model.ensure_model(progress)
    for zipped in (*(_layer(name, architecture) for name in get_args(LayerName)), _functions()):
        zipped.ensure(progress)


@dataclass(frozen=True)
class _Zip:
    """The folder of one zip, made of third-party packages and of folders of this repository."""

    home: Path
    packages: tuple[str, ...] = ()
    platform: str = ""
    folders: Mapping[str, Path] = field(default_factory=dict)
    """By their paths in the zip."""
    unpacked_at: str = "/opt"

    @property
    def root(self) -> Path:
        return self.home / "root"

    def ensure(self, progress: Callable[[str], None]) -> None:
        def fill(new: Path) -> None:
            progress(f"Build: {self.home.relative_to(BUILD)}")
            self._fill(new / "root", progress)

        put_in_place(self.home, made_of=self._inputs(), fill=fill)

    def _inputs(self) -> str:
        folders = {to: _digest(folder) for to, folder in self.folders.items()}
        recipe = (
            Path(__file__).read_bytes(),
            runtime_python() is not None,
            (ROOT / "requirements.lock").read_bytes(),
        )
        inputs = recipe, self.packages, self.platform, folders
        return hashlib.sha256(repr(inputs).encode()).hexdigest()

    def _fill(self, root: Path, progress: Callable[[str], None]) -> None:
        root.mkdir()
        if self.packages:
            _install(self.packages, self.platform, root / "python")
        for to, folder in self.folders.items():
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(folder, root / to, ignore=ignore, dirs_exist_ok=True)
        add_bytecode(root, unpacked_at=self.unpacked_at, progress=progress)


def put_in_place(home: Path, *, made_of: str, fill: Callable[[Path], None]) -> None:
    """Makes the folder `home` by `fill`, unless it was made of just this.

    It appears whole or not at all. Of several processes one makes it while the others wait.
    """
    home.parent.mkdir(parents=True, exist_ok=True)
    with home.with_name(f"{home.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = home / "made-of"
        if made.exists() and made.read_text() == made_of:
            return
        with tempfile.TemporaryDirectory(dir=home.parent, prefix=".new-") as temporary:
            new = Path(temporary) / "new"
            new.mkdir()
            fill(new)
            (new / "made-of").write_text(made_of)
            if home.exists():
                home.rename(Path(temporary) / "old")
            new.rename(home)


def _layer(name: LayerName, architecture: Architecture) -> _Zip:
    match name:
        case "model":
            folders = {model.MODEL.name: model.MODEL}
        case "context" | "client":
            folders = {"python": ROOT / "layers" / name / "python"}
        case "dependencies" | "inference":
            folders = {}
    return _Zip(
        BUILD / architecture / name, _packages(name), _PLATFORM[architecture], folders=folders
    )


def _functions() -> _Zip:
    return _Zip(
        BUILD / "functions", folders={"functions": ROOT / "functions"}, unpacked_at="/var/task"
    )


def _packages(name: LayerName) -> tuple[str, ...]:
    """What pyproject.toml requires at run time and belongs to this layer."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    layer_of = {package: apart for apart, packages in _APART.items() for package in packages}
    return tuple(
        required
        for required in project["dependencies"]
        if layer_of.get(re.split(r"[^\w.-]", required)[0], "dependencies") == name
    )


def _install(packages: tuple[str, ...], platform: str, target: Path) -> None:
    left_out = "".join(f"{package}; sys_platform == 'none'\n" for package in _NOT_SHIPPED)
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as overrides:
        overrides.write(left_out)
        overrides.flush()
        command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", *packages]
        command += ["--constraints", str(ROOT / "requirements.lock"), "--overrides", overrides.name]
        command += ["--python-platform", platform, "--python-version", RUNTIME]
        command += ["--only-binary", ":all:", "--target", str(target)]
        subprocess.run(command, check=True)
    for pattern in _NOT_NEEDED:
        for path in list(target.glob(pattern)):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)  # with a folder of an earlier match


def add_bytecode(root: Path, *, unpacked_at: str, progress: Callable[[str], None]) -> None:
    """Adds bytecode that Lambda takes without a look at the source, where else each cold start
    would compile: the zip's folder can't be written to."""
    python = runtime_python()
    if python is None:
        progress(f"Build: found no Python {RUNTIME}, so no bytecode: cold starts will be slower")
        return
    command = [python, "-m", "compileall", "-q", "-j", "0"]
    command += ["--invalidation-mode", "unchecked-hash"]
    command += ["-s", str(root), "-p", unpacked_at, str(root)]
    subprocess.run(command, check=True, env=os.environ | {"PYTHONHASHSEED": "0"})


@cache
def runtime_python() -> str | None:
    """A Python of this machine that is of the runtime's version."""
    return next(filter(_is_of_runtime, _pythons()), None)


def _pythons() -> Iterator[str]:
    yield sys.executable
    yield f"python{RUNTIME}"
    if pyenv := shutil.which("pyenv"):
        command = [pyenv, "prefix", RUNTIME]
        prefix = subprocess.run(command, check=False, capture_output=True, text=True).stdout
        yield str(Path(prefix.strip(), "bin", "python"))


def _is_of_runtime(python: str) -> bool:
    program = f"import sys; sys.exit('%d.%d' % sys.version_info[:2] != '{RUNTIME}')"
    try:
        return (
            subprocess.run([python, "-c", program], check=False, capture_output=True).returncode
            == 0
        )
    except OSError:
        return False


def _digest(folder: Path) -> str:
    """Of the files' paths and contents, without the bytecode that Python left beside them."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.parent.name != "__pycache__":
            digest.update(repr((str(path.relative_to(folder)), path.read_bytes())).encode())
    return digest.hexdigest()


def size_of(folder: Path) -> int:
    """Bytes unpacked, of which Lambda allows 250 MiB, a function's layers and code together."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    every: tuple[Architecture, ...] = get_args(Architecture)
    arguments.add_argument("architectures", nargs="*", default=every)
    chosen = arguments.parse_args().architectures
    if not {*chosen} <= {*every}:
        arguments.error(f"the architectures are {' and '.join(every)}")
    for architecture in chosen:
        try:
            ensure(architecture, print)
        except (maven.MissingToolError, maven.MavenError, model.ModelMismatchError) as error:
            sys.exit(str(error))
        except subprocess.CalledProcessError as error:
            sys.exit(f"{error.cmd[0]} failed")
        print(architecture)
        for name in get_args(LayerName):
            print(f"  {name:<14}{size_of(layer(name, architecture)) / 2**20:6.1f} MiB")
    print(f"functions {size_of(functions_code()) / 2**20:.1f} MiB")


if __name__ == "__main__":
    main()
