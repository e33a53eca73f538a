"""Mathematics and protocol machines, pure and without I/O. Import what you need: ``from mpc import secagg, sharing``."""
