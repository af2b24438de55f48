"""What people see where nothing is, and after an error of ours.  Apps get JSON instead."""

from __future__ import annotations

import pytest
from django.test import Client

from config import scraping


@pytest.mark.parametrize("language,words", [("en", "Not found"), ("zh-hans", "页面不存在")])
def test_a_page_that_is_not_there_says_so_in_the_readers_language(
    client: Client, language: str, words: str
) -> None:
    response = client.get("/nowhere/", headers={"Accept-Language": language})

    assert response.status_code == 404
    assert words in response.text


def test_an_error_of_ours_tells_no_details(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> None:
        raise RuntimeError("a secret detail")

    monkeypatch.setattr(scraping, "may_read", fail)

    response = Client(raise_request_exception=False).get("/metrics")

    assert response.status_code == 500
    assert "Something went wrong" in response.text
    assert "detail" not in response.text
