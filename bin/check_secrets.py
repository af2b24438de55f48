#!/usr/bin/env python3
"""Does a file that git keeps hold a secret?

Two kinds are looked for: what tells by its form whose key it is, and long random text that is called a
secret.  A line that only looks so says `not a secret` in a comment.  General scanners take half a minute
for this repository; this takes none.
"""

from __future__ import annotations

import itertools
import math
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
SKIPPED: Final = re.compile(
    r"(^|/)requirements[\w-]*\.txt$|\.(png|mo|po|svg|woff2?)$|\.min\.js$"
)  # hashes, pictures
PARDON: Final = "not a secret"

KEYS: Final = {
    "a private key": r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----",
    "a key of AWS": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "a key of Alibaba Cloud": r"\bLTAI[0-9A-Za-z]{12,24}\b",
    "a key of Tencent Cloud": r"\bAKID[0-9A-Za-z]{13,40}\b",
    "a key of Google": r"\bAIza[\w-]{35}\b",
    "a token of GitHub": r"\b(?:gh[pousr]_[0-9A-Za-z]{36,}|github_pat_\w{60,})\b",
    "a token of GitLab": r"\bglpat-[\w-]{20,}\b",
    "a token of Slack": r"\bxox[abprs]-[0-9A-Za-z-]{20,}\b",
    "a token of PyPI": r"\bpypi-AgEI[\w-]{50,}",
    "a key of a model provider": r"\bsk-(?:ant-|proj-|or-)?(?=[\w-]*\d)(?=[\w-]*[a-zA-Z])[A-Za-z0-9_-]{32,}",
    "a signed token": r"\beyJ[\w-]{15,}\.eyJ[\w-]{15,}\.[\w-]{20,}",
}
NAMED: Final = re.compile(
    r"""(?i)(?:secret|passw(?:or)?d|token|api_?key|private_?key|credential)s?\w*["']?\s*[:=]\s*["']?"""
    r"""(?P<value>[A-Za-z0-9+/_=-]{24,})"""
)
KNOWN: Final = re.compile("|".join(f"(?P<k{number}>{form})" for number, form in enumerate(KEYS.values())))
LEAST_BITS: Final = 3.5  # of entropy in a character: words have less, keys in hex or base64 more


def main() -> int:
    problems = [problem for path in kept_files() for problem in problems_in(path)]
    for problem in problems:
        print(problem)
    return 1 if problems else 0


def kept_files() -> Iterator[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in listed.stdout.split("\0"):
        if name and not SKIPPED.search(name) and (ROOT / name).is_file():
            yield ROOT / name


def problems_in(path: Path) -> Iterator[str]:
    for number, line in enumerate(path.read_text(errors="replace").splitlines(), start=1):
        if (found := secret_in(line)) and PARDON not in line:
            yield f"{path.relative_to(ROOT)}:{number}: {found}"


def secret_in(line: str) -> str:
    """What the line holds; "" if it is nothing."""
    if known := KNOWN.search(line):
        return list(KEYS)[int(str(known.lastgroup)[1:])]
    named = NAMED.search(line)
    return "random text that is called a secret" if named and is_random(named["value"]) else ""


def is_random(text: str) -> bool:
    """Whether nobody wrote this: a name has no digits, or none among its letters."""
    changes = sum(a.isdigit() != b.isdigit() for a, b in itertools.pairwise(text))
    return changes >= 4 and entropy(text) >= LEAST_BITS


def entropy(text: str) -> float:
    """Bits in a character."""
    counts = Counter(text)
    return -sum(count / len(text) * math.log2(count / len(text)) for count in counts.values())


if __name__ == "__main__":
    sys.exit(main())
