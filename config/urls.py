"""The addresses that Django serves.  Those ahead of Django are in `config/asgi.py`."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path, re_path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

import logins.views
from agents import views as voice
from config import probes, scraping
from conversations import files

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    path("console/<str:public_id>/call/", include("agents.console.urls")),
    path("console/", include("conversations.console.urls")),
    path("account/second-factor/", logins.views.second_factor, name="second-factor"),
    re_path(r"^callbacks/(?P<account>[-\w]+)/agent/?$", voice.callback, name="agent-callback"),
    path("files/<str:token>", files.serve, name="file"),
    path("i18n/", include("django.conf.urls.i18n")),
    path("api/v1/", include("conversations.api.urls")),
    path("api/", include("agents.api.urls")),
    path("api/schema/", SpectacularAPIView.as_view(), name="api-schema"),
    path("api/docs/", SpectacularSwaggerSplitView.as_view(url_name="api-schema"), name="api-docs"),
    path("healthz", probes.healthz),
    path("readyz", probes.readyz),
    path("metrics", scraping.metrics),
]
handler404 = "conversations.api.errors.not_found"
handler500 = "conversations.api.errors.failed"
