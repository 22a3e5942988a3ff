"""What a run would ask and cost, by teacher and by route, before anything is spent."""
