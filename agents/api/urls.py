from __future__ import annotations

from django.urls import path

from agents.api import samples

app_name = "samples"
urlpatterns = [
    path("zego-token", samples.zego_token),
    path("start", samples.start),
    path("stop", samples.stop),
    path("getAgentInfo", samples.get_agent_info),
]
