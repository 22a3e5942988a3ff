"""Have teachers write: who is asked by which policy, and which of the kept rationales is learnt from."""
