"""Screening of text on its way in and out: blocked words, patterns, personal data."""
