"""The nouns, the doors, the store and the budget.

Needs the standard library, and pydantic for configuration.
"""
