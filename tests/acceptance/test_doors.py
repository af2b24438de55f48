"""What strangers may try at the doors of a running server."""

from __future__ import annotations

import re
import socket

import httpx

from tests.support.parley import Parley


def test_who_guesses_passwords_is_told_to_wait(parley: Parley) -> None:
    with httpx.Client(base_url=parley.url, trust_env=False, timeout=30) as stranger:
        answers = [guess(stranger) for _ in range(5)]

    assert (answers[-1].status_code, answers[-1].headers["retry-after"]) == (429, "900")
    assert "Try again in 15 minutes" in answers[-1].text


def guess(stranger: httpx.Client) -> httpx.Response:
    page = stranger.get("/console/login/").text
    token, *_ = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    form = {"username": "a-name-to-guess", "password": "wrong", "csrfmiddlewaretoken": token}
    return stranger.post("/console/login/", data=form)


def test_what_is_too_large_is_not_even_read(parley: Parley) -> None:
    place = httpx.URL(parley.url)
    with socket.create_connection((place.host, place.port or 80), timeout=30) as caller:
        caller.sendall(
            b"POST /api/v1/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n"
        )
        answer = caller.recv(65_536)

    assert answer.startswith(b"HTTP/1.1 413 ")
