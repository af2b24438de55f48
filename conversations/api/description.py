"""What of the API's description (OpenAPI) drf-spectacular cannot read from the views."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import OpenApiExample, inline_serializer
from rest_framework import serializers

type JSONDict = dict[str, Any]


class KeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "conversations.api.keys.KeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> JSONDict:
        return {"type": "http", "scheme": "bearer", "description": "An app's API key."}


class UserTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "conversations.api.user_tokens.UserTokenAuthentication"
    name = "userToken"

    def get_security_definition(self, auto_schema: Any) -> JSONDict:
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "From `POST /sessions/{id}/user_token`: for this session's addresses only.",
        }


@cache
def page_of(item: type[serializers.Serializer[Any]]) -> serializers.Serializer[Any]:
    """The answer of a list: one component of the description, however many views have it."""
    neighbour = serializers.URLField(allow_null=True)
    fields = {"results": item(many=True), "next": neighbour, "previous": neighbour}
    return inline_serializer(f"{item.__name__.removesuffix('Out')}Page", fields)


def example(name: str, value: JSONDict) -> OpenApiExample:
    """Of a request."""
    return OpenApiExample(name, value=value, request_only=True)


OPEN_CHAT: Final = example(
    "A chat", {"kind": "chat", "robot": "@RBT#ada", "user_id": "alice", "metadata": {"page": "home"}}
)
SAY: Final = example("A question", {"text": "When do you open?"})
ANSWER: Final = example("An answer", {"text": "A person here. How can I help?"})
RATE: Final = example("Content", {"score": 5, "comment": "Quick and right."})
LAST_AN_HOUR: Final = example("For an hour", {"lifetime_s": 3600})

ERROR: Final[JSONDict] = {
    "type": "object",
    "description": "What went wrong: a word for programs, a sentence for people, and what is wrong by field.",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "fields"],
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string"},
                "fields": {"type": "object", "additionalProperties": {}},
            },
        }
    },
    "example": {
        "error": {
            "code": "invalid",
            "message": "The request is not valid.",
            "fields": {"robot": ["There is no such robot."]},
        }
    },
}


def add_errors(result: JSONDict, **options: Any) -> JSONDict:
    """Errors have one shape, whichever address they come from."""
    result["components"]["schemas"]["Error"] = ERROR
    reference = {"$ref": "#/components/schemas/Error"}
    answer = {"description": "An error", "content": {"application/json": {"schema": reference}}}
    for path in result["paths"].values():
        for operation in path.values():
            operation["responses"]["default"] = answer
    return result
