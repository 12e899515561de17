"""Times and memory of TagLens against the field's forms: ``python -m benchmarks [ROW ...]``."""
