"""Labels for examples that have none, or whose own are set aside: a panel's, one teacher's, people's."""
