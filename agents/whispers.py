"""Instructions of operators to the model, unheard by the user.

They reach our brain by way of the voice service, which asks it to answer them as if the user had said them.
No speech is recognised as the brackets that tell them apart.
"""

from __future__ import annotations

from typing import Final

OPENING, CLOSING = "⟦", "⟧"
LONGEST: Final = 2000  # characters


def written(instruction: str) -> str:
    """The instruction as it travels."""
    return f"{OPENING}{instruction}{CLOSING}"


def read(question: str) -> str:
    """The instruction in what an agent asks; "" where it is the user's question."""
    text = question.strip()
    is_instruction = text.startswith(OPENING) and text.endswith(CLOSING)
    return text.removeprefix(OPENING).removesuffix(CLOSING).strip() if is_instruction else ""
