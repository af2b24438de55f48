"""What Parley does on this machine, in figures: `python -m bench` (`make bench`); see docs/benchmarks.md.

Everything runs on loopback and on two cores: the process under test has one to itself, PostgreSQL and the
load share the other.  Data and logs are in var/bench.
"""
