"""The admin as a browser without scripts sees it."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any, Final

import httpx

SKIPPED_INPUTS: Final = {"submit", "button", "reset", "file", "image"}


@dataclass
class Form:
    """The values that a form would send."""

    action: str = ""
    values: dict[str, list[str]] = field(default_factory=dict)


class FormReader(HTMLParser):
    """Collects a page's forms."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._open: Form | None = None
        self._name = ""  # of the select or textarea that is open
        self._text: list[str] | None = None  # of the textarea that is open

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attributes}
        if tag == "form":
            self._open = Form(action=values.get("action", ""))
            self.forms.append(self._open)
        elif self._open is None:
            return
        elif tag == "input" and values.get("type") not in SKIPPED_INPUTS:
            if values.get("type") not in {"checkbox", "radio"}:
                self._add(values.get("name", ""), values.get("value", ""))
            elif "checked" in values:
                self._add(values.get("name", ""), values.get("value", "on"))
        elif tag in {"select", "textarea"}:
            self._name = values.get("name", "")
            self._text = [] if tag == "textarea" else None
        elif tag == "option" and "selected" in values:
            self._add(self._name, values.get("value", ""))

    def handle_data(self, data: str) -> None:
        if self._text is not None:
            self._text.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = None
        elif tag == "textarea" and self._text is not None:
            self._add(self._name, "".join(self._text).removeprefix("\n"))
            self._text = None

    def _add(self, name: str, value: str) -> None:
        if self._open is not None and name:
            self._open.values.setdefault(name, []).append(value)


@dataclass
class Admin:
    """Someone logged in."""

    client: httpx.Client
    pages: list[str] = field(default_factory=list)  # all that were seen

    @classmethod
    def logged_in(cls, url: str, *, username: str, password: str) -> Admin:
        client = httpx.Client(base_url=url, follow_redirects=True, trust_env=False, timeout=30)
        admin = cls(client)
        admin.submit("/admin/login/?next=/admin/", username=username, password=password)
        return admin

    def page(self, path: str) -> str:
        response = self.client.get(path)
        assert response.status_code == 200, f"{path}: {response.status_code}"
        self.pages.append(response.text)
        return response.text

    def text(self, path: str) -> str:
        """The page's words."""
        without_scripts = re.sub(r"<(script|style)\b.*?</\1>", " ", self.page(path), flags=re.DOTALL)
        return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", without_scripts)).split())

    def find(self, model: str, text: str, *, query: str | None = None) -> str:
        """The address of the one object of a kind, such as `bots/robot`, that a list shows with this text."""
        query = text if query is None else query
        rows = re.findall(
            r"<tr\b.*?</tr>", self.page(f"/admin/{model}/?{httpx.QueryParams(q=query)}"), re.DOTALL
        )
        row = "".join(row for row in rows if html.escape(text) in row)
        found = set(re.findall(rf'href="(/admin/{model}/\d+/(?:change/)?)', row))
        assert len(found) == 1, f"{text!r} is in the rows of {sorted(found)}"
        return found.pop()

    def all(self, model: str) -> list[str]:
        """The addresses of the objects on the first page of a list."""
        return sorted(
            set(re.findall(rf'href="(/admin/{model}/\d+/(?:change/)?)', self.page(f"/admin/{model}/")))
        )

    def act(self, model: str, action: str, address: str) -> str:
        """Choose an action of the list for the object at this address; the page that follows."""
        [number] = re.findall(r"/(\d+)/", address)
        token = self.client.cookies["csrftoken"]
        fields = {"action": action, "_selected_action": number, "csrfmiddlewaretoken": token}
        response = self.client.post(f"/admin/{model}/", data=fields)
        assert response.status_code == 200, f"{action}: {response.status_code}"
        return response.text

    def add(self, model: str, **fields: Any) -> None:
        """Add an object, by a form whose lists of choices a script would fill."""
        path = f"/admin/{model}/add/"
        self.page(path)
        token = self.client.cookies["csrftoken"]
        response = self.client.post(path, data={**fields, "csrfmiddlewaretoken": token})
        assert response.url.path == f"/admin/{model}/", f"{path} was not accepted"

    def submit(self, path: str, **changes: Any) -> str:
        """Fill in the page's form and send it; the page that follows."""
        reader = FormReader()
        reader.feed(self.page(path))
        form = next(form for form in reader.forms if set(changes) <= set(form.values))
        response = self.client.post(form.action or path, data=form.values | changes)
        assert response.status_code == 200, f"{path}: {response.status_code}"
        problems = re.findall(r'class="errorlist.*?</ul>', response.text, re.DOTALL)
        assert not problems, f"{path} was not accepted: {problems}"
        self.pages.append(response.text)
        return response.text
