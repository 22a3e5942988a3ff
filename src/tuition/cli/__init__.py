"""The command line: reads what the user says, calls the recipes, shows what came of it."""
