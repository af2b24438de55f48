"""What a provider's refusals and failures mean, by table.

The HTTP status alone never decides: Zhipu says 429 to an account without money, MiniMax 200 to a wrong
key.  Sources are the providers' error pages, read 2026-11; where a page was not read, the entry says so.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from bots.errors import ModelBusy, ModelDenied, ModelError, ModelRefused, ModelUnreachable
from bots.events import JSONDict
from bots.llms.base import Endpoint

MAX_DETAIL_CHARACTERS: Final = 500
MIN_SECRET_CHARACTERS: Final = 4  # shorter keys are placeholders, such as a local server's "x"

# `error.code` or its part before the first dot, `error.details.error_code`, or `error.type`.
CODES: Final[dict[str, type[ModelError]]] = {
    # OpenAI: platform.openai.com/docs/guides/error-codes
    "rate_limit_exceeded": ModelBusy,
    "slow_down": ModelBusy,
    "server_is_overloaded": ModelBusy,
    "insufficient_quota": ModelDenied,
    "credit_balance_exhausted": ModelDenied,
    "project_spend_limit_exceeded": ModelDenied,
    "organization_spend_limit_exceeded": ModelDenied,
    "organization_usage_limit_exceeded": ModelDenied,
    # Volcengine Ark: volcengine.com/docs/82379/1299023
    "RateLimitExceeded": ModelBusy,
    "ServerOverloaded": ModelBusy,  # guessed
    "AuthenticationError": ModelDenied,
    "AccountOverdueError": ModelDenied,
    "AccessDenied": ModelDenied,
    "InvalidEndpointOrModel": ModelDenied,
    "ModelNotOpen": ModelDenied,
    "MissingParameter": ModelRefused,
    "InvalidParameter": ModelRefused,
    # MiniMax, in base_resp: platform.minimax.io/docs/api-reference/errorcode
    "1000": ModelUnreachable,  # unknown error
    "1001": ModelUnreachable,  # the model took too long
    "1002": ModelBusy,
    "1004": ModelDenied,  # key
    "1008": ModelDenied,  # balance
    "1024": ModelUnreachable,  # internal error
    "1026": ModelRefused,  # content going in; guessed
    "1027": ModelRefused,  # content coming out; guessed
    "2013": ModelRefused,  # parameters; guessed
    # DashScope: alibabacloud.com/help/en/model-studio/error-code-start
    "Throttling": ModelBusy,
    "Arrearage": ModelDenied,
    "data_inspection_failed": ModelRefused,  # content; guessed
    # Qianfan: cloud.baidu.com/doc/qianfan-api; an older page has them with HTTP 200
    "rpm_rate_limit_exceeded": ModelBusy,
    "tpm_rate_limit_exceeded": ModelBusy,
    "invalid_model": ModelDenied,
    "invalid_messages": ModelRefused,
    "tokens_too_long": ModelRefused,
    "access_denied": ModelDenied,
    "invalid_iam_token": ModelDenied,  # guessed
    # Spark; guessed
    "10007": ModelBusy,
    "11202": ModelBusy,  # requests a second
    "11203": ModelBusy,  # requests at once
    "10013": ModelRefused,  # content going in
    "10014": ModelRefused,  # content coming out
    "10907": ModelRefused,  # too long
    "11200": ModelDenied,  # no licence
    "11201": ModelDenied,  # the day's limit
    # Moonshot: kimi.com/help/kimi-api/api-error-codes; the names are guessed
    "engine_overloaded_error": ModelBusy,
    "rate_limit_reached_error": ModelBusy,
    "exceeded_current_quota_error": ModelDenied,
    # Zhipu: docs.bigmodel.cn/cn/api/api-code; its 1000 to 1004 (key) come with HTTP 401
    "1302": ModelBusy,  # requests at once
    "1303": ModelBusy,
    "1305": ModelBusy,
    "1312": ModelBusy,
    "1112": ModelDenied,  # locked account
    "1113": ModelDenied,  # balance
    "1121": ModelDenied,  # locked account
    "1211": ModelDenied,  # no such model
    "1261": ModelRefused,  # too long
    "1301": ModelRefused,  # content
    "1304": ModelDenied,  # these three wait for the quota's reset
    "1308": ModelDenied,
    "1310": ModelDenied,
    # Anthropic: platform.claude.com/docs/en/api/errors; the first in `error.details.error_code`
    "enforced_spend_limit_reached": ModelDenied,
    "billing_error": ModelDenied,
    "not_found_error": ModelDenied,
    "request_too_large": ModelRefused,
    "api_error": ModelUnreachable,
    "timeout_error": ModelUnreachable,
    # Generic types that say enough where no HTTP status does: inside a stream
    "invalid_api_key": ModelDenied,
    "invalid_request_error": ModelRefused,
    "authentication_error": ModelDenied,
    "permission_error": ModelDenied,
    "rate_limit_error": ModelBusy,
    "overloaded_error": ModelBusy,
    "exceed_context_size_error": ModelRefused,  # llama.cpp
}

DECISIVE_STATUSES: Final = {  # whatever the body says
    **dict.fromkeys((401, 402, 403, 404), ModelDenied),
    451: ModelRefused,  # content, at StepFun
}
BUSY_STATUSES: Final = {409, 425, 429, 503, 529}
REQUEST_TIMEOUT: Final = 408

# `finish_reason` of an answer that is none.
BAD_ENDS: Final[dict[str, type[ModelError]]] = {
    "content_filter": ModelRefused,
    "refusal": ModelRefused,  # Anthropic
    "sensitive": ModelRefused,  # Zhipu; guessed
    "network_error": ModelUnreachable,  # Zhipu; guessed
    "insufficient_system_resource": ModelBusy,  # DeepSeek; guessed
    "error": ModelUnreachable,  # several gateways; guessed
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """What a provider says is wrong."""

    code: str = ""
    type: str = ""
    message: str = ""


def complaint_in(body: JSONDict) -> Complaint | None:
    """The error that a JSON body or a chunk of a stream carries, if it does."""
    if error := body.get("error"):
        return read_error(error)
    base_resp = body.get("base_resp")  # MiniMax, also with HTTP 200
    if isinstance(base_resp, dict) and as_text(base_resp.get("status_code")) not in ("", "0"):
        return Complaint(code=as_text(base_resp["status_code"]), message=as_text(base_resp.get("status_msg")))
    # Spark and older Qianfan; Spark's good answers have the code 0
    if "choices" not in body and as_text(body.get("code")) not in ("", "0"):
        return Complaint(code=as_text(body["code"]), message=as_text(body.get("message") or body.get("msg")))
    return None


def read_error(error: object) -> Complaint:
    if not isinstance(error, dict):
        return Complaint(message=as_text(error))
    details = error.get("details")  # Anthropic: a word more exact than the type
    more_exact = details.get("error_code") if isinstance(details, dict) else None
    return Complaint(
        code=as_text(error.get("code") or more_exact),
        type=as_text(error.get("type")),
        message=as_text(error.get("message")),
    )


def as_text(value: object) -> str:
    if value is None or isinstance(value, bool):
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def read_error_body(body: bytes) -> Complaint:
    """The complaint in the body of an answer whose status says that it is an error."""
    text = body.decode("utf-8", "replace").strip()
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return Complaint(message=text)
    if isinstance(content, list) and content:  # Google's OpenAI-shaped door wraps the object in a list
        content = content[0]
    return (complaint_in(content) if isinstance(content, dict) else None) or Complaint(message=text)


def classify(status: int, complaint: Complaint) -> type[ModelError]:
    """The kind of error: first by a status that leaves no doubt, then by code, then by status."""
    if status in DECISIVE_STATUSES:
        return DECISIVE_STATUSES[status]
    for word in (complaint.code, complaint.code.partition(".")[0], complaint.type):
        if found := CODES.get(word):
            return found
    return classify_status(status if status >= 300 else status_in(complaint.code))


def classify_status(status: int) -> type[ModelError]:
    if status in BUSY_STATUSES:
        return ModelBusy
    if 300 <= status < 500 and status != REQUEST_TIMEOUT:
        return ModelRefused
    return ModelUnreachable


def status_in(code: str) -> int:
    """Gateways and llama.cpp put the HTTP status into an error that comes inside a stream.  0: none."""
    return int(code) if re.fullmatch(r"[345]\d\d", code, re.ASCII) else 0


def error_for(
    endpoint: Endpoint, complaint: Complaint, *, status: int = 200, retry_after: float | None = None
) -> ModelError:
    """The error to raise for what a provider complained about."""
    origin = f"HTTP {status}" if status >= 300 else "the provider reported an error"
    message = tidy(complaint.message, secret=endpoint.api_key)
    code = complaint.code or complaint.type or (str(status) if status >= 300 else "")
    return classify(status, complaint)(
        f"{origin}: {message}" if message else origin,
        party=endpoint.slug,
        code=tidy(code, secret=endpoint.api_key),
        retry_after=retry_after,
    )


def tidy(text: str, *, secret: str) -> str:
    """Somebody else's text as one line of bounded length, without the secret."""
    # Spark's key is two keys joined by a colon, and either may come back alone.
    for part in (secret, *secret.split(":")):
        if len(part) >= MIN_SECRET_CHARACTERS:
            text = text.replace(part, "***")
    text = " ".join(text.split())
    return text if len(text) <= MAX_DETAIL_CHARACTERS else text[: MAX_DETAIL_CHARACTERS - 1] + "…"


def read_retry_after(value: str | None, *, now: datetime) -> float | None:
    """Seconds to wait by a Retry-After header, which holds seconds or a date; None if it holds neither."""
    if not value:
        return None
    if re.fullmatch(r"\d{1,9}(\.\d+)?", value.strip(), re.ASCII):
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())
