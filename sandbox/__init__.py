"""Simulated IM clouds and models: for the demo, and for tests from the outside.

The product never imports this package and this package never imports the product: the vendors' protocols
are implemented a second time here, from the vendors' documents, so that the two can disagree.
"""
