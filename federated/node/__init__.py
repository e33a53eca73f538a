"""The node: it dials out, verifies every job by itself, runs it in the jail, and lets out masked shares only."""
