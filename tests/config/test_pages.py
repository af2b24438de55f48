from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Browser
from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_the_admin_theme_keeps_to_the_content_security_policy(
    browser: Browser, live_server: LiveServer
) -> None:
    User.objects.create_superuser("root", password="a-password")
    complaints: list[str] = []
    page = browser.new_page()
    page.on("console", lambda message: complaints.append(message.text))

    response = page.goto(f"{live_server.url}/admin/")
    page.get_by_label("Username").fill("root")
    page.get_by_label("Password").fill("a-password")
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{live_server.url}/admin/")
    page.get_by_role("link", name="Robots").first.click()
    page.wait_for_load_state("networkidle")
    page.close()

    assert response
    assert "frame-ancestors 'self'" in response.headers["content-security-policy"]
    assert [text for text in complaints if "Content Security Policy" in text] == []
