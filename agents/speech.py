"""Vendors of speech and its recognition: what is known of their parameters, for the admin's form.

From /aiagent-server/guides/configuring-{tts,asr}.  Only `app` is for ZEGO, who logs in with it; everything
else goes to the vendor as it is, so any other parameter may be written down freely.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

CREDENTIALS: Final = "app"
SOUNDS_SECRET: Final = re.compile(r"key|token|secret|password|credential", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Param:
    """A parameter that has a field of its own at the form."""

    path: str  # as in "req_params.speaker"
    kind: type = str
    is_secret: bool = False


def secret(path: str) -> Param:
    return Param(path=f"{CREDENTIALS}.{path}", is_secret=True)


def text(path: str) -> Param:
    return Param(path=path)


def number(path: str) -> Param:
    return Param(path=path, kind=float)


BYTEDANCE: Final = (
    text("app.appid"), secret("token"), text("app.resource_id"), text("req_params.speaker"),
    number("req_params.audio_params.speech_rate"), number("req_params.audio_params.loudness_rate"),
)  # fmt: skip

TTS: Final[dict[str, tuple[Param, ...]]] = {
    "Aliyun": (
        text("app.app_key"), secret("ak_id"), secret("ak_key"), text("voice"), number("volume"),
        number("speech_rate"), number("pitch_rate"),
    ),
    "CosyVoice": (
        secret("api_key"), text("payload.model"), text("payload.parameters.voice"),
        number("payload.parameters.volume"), number("payload.parameters.rate"),
        number("payload.parameters.pitch"),
    ),
    "ByteDanceV3": BYTEDANCE,
    "ByteDanceFlowing": BYTEDANCE,
    "MiniMax": (
        secret("api_key"), text("app.group_id"), text("model"), text("voice_setting.voice_id"),
        number("voice_setting.speed"), number("voice_setting.vol"), number("voice_setting.pitch"),
    ),
}  # fmt: skip

ASR: Final[dict[str, tuple[Param, ...]]] = {
    "Tencent": (text("engine_model_type"), text("hotword_list")),
    "AliyunParaformer": (),
    "AliyunFunASR": (),
    "AliyunQwenASR": (),
    "VolcSeedASR": (),
    "Microsoft": (),
}


def params_of(vendor: str, known: Mapping[str, tuple[Param, ...]]) -> tuple[Param, ...]:
    """Those that are known of a vendor.  ZEGO's own pages vary in the case of the names."""
    by_name = {name.lower(): params for name, params in known.items()}
    return by_name.get(vendor.lower(), ())


def secret_paths(params: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Where credentials are: all texts below `app`, and whatever sounds like one elsewhere."""
    for key, value in params.items():
        here = f"{path}.{key}" if path else str(key)
        if isinstance(value, Mapping):
            yield from secret_paths(value, here)
        elif isinstance(value, str) and (
            here.startswith(f"{CREDENTIALS}.") or SOUNDS_SECRET.search(str(key))
        ):
            yield here


def value_at(params: Mapping[str, Any], path: str) -> Any:
    """What a parameter is; None: it is not given."""
    place: Any = params
    for key in path.split("."):
        place = place.get(key) if isinstance(place, Mapping) else None
    return place


def put(params: dict[str, Any], path: str, value: Any) -> None:
    """Set a parameter; None takes it away, with the groups that it leaves empty."""
    key, _, below = path.partition(".")
    if below:
        group = params.get(key)
        group = dict(group) if isinstance(group, Mapping) else {}
        put(group, below, value)
        value = group or None
    if value is None:
        params.pop(key, None)
    else:
        params[key] = value
