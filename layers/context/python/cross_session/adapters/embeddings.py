"""Text to vectors, by e5-small-v2 (int8 ONNX) inside the function."""

from collections.abc import Sequence
from functools import cache

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer

from cross_session.settings import embedding_settings
from cross_session.timing import timed

MAX_TOKENS = 512


class Embedder:
    """Loads the model once; about 180 MB of memory."""

    def __init__(self) -> None:
        settings = embedding_settings()
        self._tokenizer = Tokenizer.from_file(str(settings.model / "tokenizer.json"))
        self._tokenizer.no_truncation()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = settings.threads
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            settings.model / "model.onnx", options, providers=["CPUExecutionProvider"]
        )

    def query(self, text: str) -> list[float]:
        """The unit vector of a question, `index_schema.DIMENSIONS` long."""
        with timed("embedding"):
            return self._embed(f"query: {text}")

    def passages(self, texts: Sequence[str]) -> list[list[float]]:
        """One unit vector a text, in order; text past `MAX_TOKENS` tokens has no part in it.

        One at a time: the int8 model scales its activations over the whole input, so in a
        batch a text's vector would depend on its neighbours (cosine .995 to itself), and 64
        at once take 1.8 times as long on a CPU.
        """
        with timed("embedding"):
            return [self._embed(f"passage: {text}") for text in texts]

    def tokens(self, text: str) -> int:
        """How many tokens of the model `text` has, the two that frame it included."""
        return len(self._tokenizer.encode(text).ids)

    def _embed(self, text: str) -> list[float]:
        tokens = self._tokenizer.encode(text).ids
        if len(tokens) > MAX_TOKENS:
            tokens = [*tokens[: MAX_TOKENS - 1], tokens[-1]]
        ids = np.array([tokens], dtype=np.int64)
        inputs = {
            "input_ids": ids,
            "attention_mask": np.ones_like(ids),
            "token_type_ids": np.zeros_like(ids),
        }
        (hidden,) = self._session.run(None, inputs)
        mean: NDArray[np.float32] = hidden[0].mean(axis=0)
        unit: list[float] = (mean / np.linalg.norm(mean)).tolist()
        return unit


@cache
def embedder() -> Embedder:
    return Embedder()
