"""Calls at the console."""
