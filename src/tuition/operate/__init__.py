"""What is done with recipes: run them, plan them, try teachers, take them apart, compare them."""
