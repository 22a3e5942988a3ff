"""How each kind of endpoint is spoken to: the body of a call, and what comes back."""
