"""Where providers are reached, to fill in the form of a new model.

Addresses and names are those of the providers' own pages, read 2026-11.  Names change often: they are a
start, to be edited.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from bots.events import JSONDict


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    label: str
    base_url: str
    model: str = ""  # a name to begin with; "": what the server has
    api: str = "openai"
    params: JSONDict = field(default_factory=dict)


PRESETS: Final[dict[str, Preset]] = {
    "openai": Preset(label="OpenAI", base_url="https://api.openai.com/v1", model="gpt-5.4-mini"),
    "deepseek": Preset(label="DeepSeek", base_url="https://api.deepseek.com", model="deepseek-v4-flash"),
    "ark": Preset(
        label="Volcengine Ark (豆包)",
        base_url="https://ark.cn-beijing.volces.com/api/v3",
        model="doubao-seed-1-8-251228",
    ),
    "minimax": Preset(
        label="MiniMax",
        base_url="https://api.minimaxi.com/v1",
        model="MiniMax-M3",
        params={"reasoning_split": True},  # or thinking comes within the answer
    ),
    "dashscope": Preset(
        label="DashScope (通义千问)",
        base_url="https://dashscope.aliyuncs.com/compatible-mode/v1",
        model="qwen-plus",
    ),
    "stepfun": Preset(label="StepFun", base_url="https://api.stepfun.com/v1", model="step-3.5-flash"),
    "qianfan": Preset(
        label="Qianfan (文心)", base_url="https://qianfan.baidubce.com/v2", model="ernie-4.0-turbo-8k"
    ),
    "spark": Preset(
        label="Spark (讯飞星火)", base_url="https://spark-api-open.xf-yun.com/v1", model="4.0Ultra"
    ),
    "moonshot": Preset(label="Moonshot (Kimi)", base_url="https://api.moonshot.cn/v1", model="kimi-k2.6"),
    "zhipu": Preset(label="Zhipu (智谱)", base_url="https://open.bigmodel.cn/api/paas/v4", model="glm-4.7"),
    "anthropic": Preset(
        label="Anthropic", api="anthropic", base_url="https://api.anthropic.com", model="claude-haiku-5-5"
    ),
    "ollama": Preset(label="Ollama", base_url="http://localhost:11434/v1"),
    "vllm": Preset(label="vLLM", base_url="http://localhost:8000/v1"),
}
