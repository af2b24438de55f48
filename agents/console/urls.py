from __future__ import annotations

from django.urls import path

from agents.console import views

app_name = "calls"
urlpatterns = [
    path("", views.call, name="call"),
    path("interrupt/", views.interrupt, name="interrupt"),
    path("say/", views.say, name="say"),
    path("whisper/", views.whisper, name="whisper"),
]
