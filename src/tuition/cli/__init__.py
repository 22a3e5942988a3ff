"""The command line: reads arguments, calls the recipes, shows results."""
