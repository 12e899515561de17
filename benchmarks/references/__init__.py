"""The peers' forms, written from their formulas: references for tests and for ratios, in no way fast."""
