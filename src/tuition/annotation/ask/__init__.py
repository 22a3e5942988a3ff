"""Pay for a call and make it: account, pace, store, retries. What is asked is `annotation.asker`'s."""
