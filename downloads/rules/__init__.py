"""The rules, as values: states, options, errors, fairness, links. No Django, no effects."""
