"""What ends a run."""


class Failed(SystemExit):
    """What was measured did not do its work, so its figures are worth nothing."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"bench: {reason}")
