"""How well the judge tells bad releases from healthy ones: cases with known truth, comparators, scores."""
