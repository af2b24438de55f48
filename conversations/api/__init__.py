"""The REST session API, version 1."""
