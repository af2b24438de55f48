from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AgentsConfig(AppConfig):
    name = "agents"
    verbose_name = _("Voice")

    def ready(self) -> None:
        from agents import following, operating
        from agents.api.voice import Voice
        from agents.configuration import AgentTemplateSection
        from bots.configuration.schema import SECTIONS
        from conversations.api.kinds import KINDS
        from conversations.operating import carriers

        SECTIONS["agent_templates"] = AgentTemplateSection
        KINDS[Voice.name.value] = Voice()
        following.connect()
        carriers.append(operating.carry)
