"""What is loaded before the first request."""

import pytest

from cross_session.cold_start import load_at_init


def test_lambda_loads_before_the_first_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand")
    loaded: list[str] = []

    load_at_init(lambda: loaded.append("table"), lambda: loaded.append("model"))

    assert loaded == ["table", "model"]


def test_elsewhere_an_import_loads_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_LAMBDA_INITIALIZATION_TYPE", raising=False)
    loaded: list[str] = []

    load_at_init(lambda: loaded.append("model"))

    assert loaded == []
